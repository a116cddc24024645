//! What a move or a deletion would do, told before it is done. Nothing is changed.

use portolan_api_types::Problem;
use portolan_api_types::project::MoveProject;
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{OrgId, Organization, Project, ProjectId};
use portolan_store::project_move::{self, MoveEffects};
use portolan_store::{
    Page, Tx, api_keys, archives, clusters, link_tokens, organizations, projects, service_accounts,
    teams, users,
};

use crate::access::org;
use crate::migrate::{destination, source};
use crate::organizations::deletion_blockers;
use crate::projects::refuse_taken_name;
use crate::{Caller, Control, ControlError};

/// What moving a project would do.
#[derive(Debug, Clone)]
pub struct MovePreview {
    /// The project.
    pub project: Project,
    /// Where it would go.
    pub destination_org_id: OrgId,
    /// Whether the request proved the destination. If not, the destination's own rules (names, room)
    /// are not looked at, and `:migrate` would refuse.
    pub destination_proven: bool,
    /// Its clusters, which go on without a break.
    pub clusters: Vec<String>,
    /// Its archives, which go on without a break.
    pub archives: i64,
    /// Users that come along, keys, accounts and teams that lose the project.
    pub effects: MoveEffects,
    /// Why `:migrate` would refuse.
    pub blockers: Vec<Problem>,
}

/// What deleting an organization would do.
#[derive(Debug, Clone)]
pub struct DeletePreview {
    /// The organization.
    pub org: Organization,
    /// Its projects, each of which stands in the way.
    pub projects: Vec<Project>,
    /// Why the deletion would be refused, all reasons at once.
    pub blockers: Vec<Problem>,
    /// Keys that would stop working.
    pub api_keys: i64,
    /// Service accounts that would stop working.
    pub service_accounts: i64,
    /// Members that would lose it.
    pub users: i64,
    /// Teams that would be gone.
    pub teams: i64,
    /// Whether a link token would stop working.
    pub link_token: bool,
}

impl Control {
    /// What moving the project would do.
    ///
    /// # Errors
    /// 403 when a key is wrong or somebody is no owner, `GROUP_NOT_FOUND`, and the store's.
    pub async fn preview_move(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: MoveProject,
    ) -> Result<MovePreview, ControlError> {
        let request = &request;
        self.store
            .read_tx("control.previews.move", |tx| {
                Box::pin(async move {
                    let source = source(tx, caller, project_id).await?;
                    let destination = destination(tx, caller, request).await?;
                    let project = projects::get(tx, &source).await?;
                    let blockers = match &destination {
                        Some(proven) => self.move_blockers(tx, proven, &project.name).await?,
                        None => vec![MoveProject::missing_keys()],
                    };
                    let id = request.destination_org_id;
                    let known = clusters::list(tx, &source, Page::ALL).await?.items;
                    Ok::<_, ControlError>(MovePreview {
                        project,
                        destination_org_id: id,
                        destination_proven: destination.is_some(),
                        clusters: known.into_iter().map(|known| known.cluster.name).collect(),
                        archives: archives::count_of_project(tx, &source).await?,
                        effects: project_move::preview(tx, &source, id).await?,
                        blockers,
                    })
                })
            })
            .await
    }

    async fn move_blockers(
        &self,
        tx: &mut Tx<'_>,
        destination: &Authorized<OrgScope>,
        name: &str,
    ) -> Result<Vec<Problem>, ControlError> {
        let mut blockers = Vec::new();
        for check in [
            refuse_taken_name(tx, destination, name).await,
            self.check_room_for_project(tx, destination).await,
        ] {
            match check {
                Ok(()) => {}
                Err(ControlError::Conflict(problem)) => blockers.push(*problem),
                Err(error) => return Err(error),
            }
        }
        Ok(blockers)
    }

    /// What deleting the organization would do, and everything that stands in the way.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn preview_org_delete(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<DeletePreview, ControlError> {
        let witness = &org(&caller.principal, Action::OrgDelete, org_id)?;
        self.store
            .read_tx("control.previews.org_delete", |tx| {
                Box::pin(async move {
                    let one = Page::new(1, 0);
                    Ok::<_, ControlError>(DeletePreview {
                        org: organizations::get(tx, witness).await?,
                        projects: projects::list_in_org(tx, witness, Page::ALL).await?.items,
                        blockers: deletion_blockers(tx, witness).await?,
                        api_keys: api_keys::count(tx, witness).await?,
                        service_accounts: service_accounts::list(tx, witness, one).await?.total,
                        users: users::count_members(tx, witness).await?,
                        teams: teams::list(tx, witness, one).await?.total,
                        link_token: link_tokens::fetch(tx, witness).await?.is_some(),
                    })
                })
            })
            .await
    }
}
