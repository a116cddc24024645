//! Projects: list, create, get, rename.

use portolan_api_types::project::{CreateProject, UpdateProject};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Actor, Authorized, OrgScope, ProjectScope};
use portolan_model::{OrgId, Project, ProjectId, ProjectRole, UserId};
use portolan_store::events::EventScope;
use portolan_store::projects::ProjectFilter;
use portolan_store::{StoreError, Tx, api_keys, clusters, projects, service_accounts, users};

use crate::access::{org, project_in, project_of};
use crate::members::active_member;
use crate::paging::store_page;
use crate::{Caller, Control, ControlError, trail};

/// A project with what its answers count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProject {
    /// The project.
    pub project: Project,
    /// Its clusters.
    pub clusters: i64,
}

impl Control {
    /// The projects that the caller may read.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_projects(
        &self,
        caller: &Caller,
        paging: Paging,
    ) -> Result<Page<FoundProject>, ControlError> {
        self.visible_projects(caller, ProjectFilter::default(), paging).await
    }

    /// The projects of one organization that the caller may read.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_org_projects(
        &self,
        caller: &Caller,
        org_id: OrgId,
        name_contains: Option<&str>,
        paging: Paging,
    ) -> Result<Page<FoundProject>, ControlError> {
        org(&caller.principal, Action::OrgRead, org_id)?;
        let filter = ProjectFilter { org_id: Some(org_id), name_contains, name: None };
        self.visible_projects(caller, filter, paging).await
    }

    async fn visible_projects(
        &self,
        caller: &Caller,
        filter: ProjectFilter<'_>,
        paging: Paging,
    ) -> Result<Page<FoundProject>, ControlError> {
        self.store
            .read_tx("control.projects.list", |tx| {
                Box::pin(async move {
                    let page = store_page(paging);
                    let listed =
                        projects::list_visible(tx, &caller.principal, filter, page).await?;
                    let items = counted_for(tx, caller, listed.items).await?;
                    Ok(Page { items, total: listed.total })
                })
            })
            .await
    }

    /// One project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<FoundProject, ControlError> {
        self.store
            .read_tx("control.projects.get", |tx| {
                Box::pin(async move {
                    let witness =
                        project_in(tx, &caller.principal, Action::ProjectRead, project_id).await?;
                    found(tx, &witness).await
                })
            })
            .await
    }

    /// The visible project of that name.
    ///
    /// # Errors
    /// `GROUP_NAME_NOT_FOUND`, `MULTIPLE_GROUPS` when two organizations have one, and the store's.
    pub async fn project_by_name(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<FoundProject, ControlError> {
        let filter = ProjectFilter { name: Some(name), ..ProjectFilter::default() };
        let mut page = self.visible_projects(caller, filter, Paging::default()).await?;
        match (page.items.pop(), page.items.is_empty()) {
            (Some(found), true) => Ok(found),
            (None, _) => {
                let detail = format!("No group with name \"{name}\" exists.");
                Err(Problem::new(ErrorCode::GroupNameNotFound, detail).with(name).into())
            }
            (Some(_), false) => {
                let detail = format!("Multiple groups exist with name \"{name}\".");
                Err(Problem::new(ErrorCode::MultipleGroups, detail).with(name).into())
            }
        }
    }

    /// Creates a project. `owner_id` becomes its owner; absent, a calling user does, and a calling
    /// key or account gets the owner role itself unless it owns the organization already.
    ///
    /// # Errors
    /// `GROUP_ALREADY_EXISTS`, `MAX_GROUPS_PER_ORG_EXCEEDED`, `USER_NOT_FOUND`, `ORG_NOT_FOUND`, 401
    /// without the role, and the store's.
    pub async fn create_project(
        &self,
        caller: &Caller,
        request: CreateProject,
        owner_id: Option<UserId>,
    ) -> Result<Project, ControlError> {
        let witness = org(&caller.principal, Action::ProjectCreate, request.org_id)?;
        let project = Project {
            id: ProjectId::new(self.runtime.object_id()),
            org_id: request.org_id,
            name: request.name,
            tags: request.tags,
            with_default_alerts_settings: request.with_default_alerts_settings,
            created_at: self.runtime.now_ms(),
        };
        let (project, witness) = (&project, &witness);
        self.store
            .run_tx("control.projects.create", |tx| {
                Box::pin(async move {
                    self.check_room_for_project(tx, witness).await?;
                    refuse_taken_name(tx, witness, &project.name).await?;
                    projects::insert(tx, witness, project).await?;
                    let inside = witness.in_project(project.id);
                    give_owner(tx, caller, witness, &inside, owner_id).await?;
                    let scope = EventScope::Project(project.id);
                    let target = [("groupName", project.name.clone())];
                    trail::note(tx, caller, scope, "GROUP_CREATED", &target).await?;
                    Ok::<_, ControlError>(project.clone())
                })
            })
            .await
    }

    pub(crate) async fn check_room_for_project(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<(), ControlError> {
        let max = self.limits.projects_per_org;
        let count = projects::count_in_org(tx, witness).await?;
        if usize::try_from(count).is_ok_and(|count| count < max) {
            return Ok(());
        }
        let detail = format!("The organization has the maximum of {max} projects.");
        Err(Problem::new(ErrorCode::MaxGroupsPerOrgExceeded, detail).with(max).into())
    }

    /// Changes name, tags or alert default. The organization, if named, must be its own.
    ///
    /// # Errors
    /// `GROUP_ALREADY_EXISTS`, `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn update_project(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        request: UpdateProject,
        org_id: Option<OrgId>,
    ) -> Result<FoundProject, ControlError> {
        let request = &request;
        self.store
            .run_tx("control.projects.update", |tx| {
                Box::pin(async move {
                    let witness =
                        project_in(tx, &caller.principal, Action::ProjectUpdate, project_id)
                            .await?;
                    if org_id.is_some_and(|id| id != witness.org_id()) {
                        let rule = "cannot be changed; use :migrate to move the project";
                        return Err(Problem::invalid_attribute("orgId", rule).into());
                    }
                    self.apply_update(tx, caller, &witness, request).await?;
                    found(tx, &witness).await
                })
            })
            .await
    }

    async fn apply_update(
        &self,
        tx: &mut Tx<'_>,
        caller: &Caller,
        witness: &Authorized<ProjectScope>,
        request: &UpdateProject,
    ) -> Result<(), ControlError> {
        let old = projects::get(tx, witness).await?;
        let name = request.name.as_deref().unwrap_or(&old.name);
        let tags = request.tags.as_deref().unwrap_or(&old.tags);
        let alerts =
            request.with_default_alerts_settings.unwrap_or(old.with_default_alerts_settings);
        let renamed = projects::update(tx, witness, name, tags, alerts).await;
        renamed.map_err(|error| name_clash(error, name))?;
        let id = witness.project_id();
        // Events about tags say what was tagged (schema `ResourceEventViewForNdsGroup`).
        let tagged = [("resourceId", id.to_string()), ("resourceType", "PROJECT".to_owned())];
        let changes = [
            (name != old.name, "GROUP_RENAMED", &[][..]),
            (tags != old.tags, "GROUP_TAGS_MODIFIED", &tagged[..]),
            (
                alerts != old.with_default_alerts_settings,
                "GROUP_DEFAULT_ALERTS_SETTINGS_CHANGED",
                &[],
            ),
        ];
        for (_, event, more) in changes.into_iter().filter(|(changed, ..)| *changed) {
            let target = [&[("groupName", name.to_owned())], more].concat();
            trail::note(tx, caller, EventScope::Project(id), event, &target).await?;
        }
        Ok(())
    }
}

/// The project with its counts, inside a transaction.
pub(crate) async fn found(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
) -> Result<FoundProject, ControlError> {
    let project = projects::get(tx, witness).await?;
    let clusters = clusters::count(tx, witness).await?;
    Ok(FoundProject { project, clusters })
}

async fn counted_for(
    tx: &mut Tx<'_>,
    caller: &Caller,
    projects: Vec<Project>,
) -> Result<Vec<FoundProject>, ControlError> {
    let scope = |project: &Project| ProjectScope { org_id: project.org_id, project_id: project.id };
    let may_read = |project| project_of(&caller.principal, Action::ProjectRead, scope(project));
    let witnesses = projects.iter().map(may_read).collect::<Result<Vec<_>, _>>()?;
    let counts = clusters::count_each(tx, &witnesses).await?;
    let found = |project: Project| {
        let clusters = counts.get(&project.id).copied().unwrap_or(0);
        FoundProject { project, clusters }
    };
    Ok(projects.into_iter().map(found).collect())
}

/// `GROUP_ALREADY_EXISTS` when the organization has a project of this name.
pub(crate) async fn refuse_taken_name(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
    name: &str,
) -> Result<(), ControlError> {
    if projects::name_taken(tx, witness, name).await? {
        return Err(already_exists(name));
    }
    Ok(())
}

fn already_exists(name: &str) -> ControlError {
    let detail = format!("A group with name \"{name}\" already exists.");
    Problem::new(ErrorCode::GroupAlreadyExists, detail).with(name).into()
}

fn name_clash(error: StoreError, name: &str) -> ControlError {
    if error.is_conflict_in("projects") { already_exists(name) } else { error.into() }
}

/// Gives a new project its owners: the named member of the organization, or the calling user, or the
/// longest-standing owner of the organization; and the calling key or account, unless it owns the
/// organization and with it every project.
async fn give_owner(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org: &Authorized<OrgScope>,
    project: &Authorized<ProjectScope>,
    named: Option<UserId>,
) -> Result<(), ControlError> {
    let roles = [ProjectRole::Owner];
    let user = match (named, &caller.principal.actor) {
        (Some(user_id), _) => Some(user_id),
        (None, Actor::User { id, .. }) => Some(*id),
        (None, _) => users::owners(tx, org).await?.first().copied(),
    };
    if let Some(user_id) = user {
        active_member(tx, org, user_id).await?;
        users::set_project_roles(tx, project, user_id, &roles).await?;
    }
    if caller.principal.owns(org.org_id()) {
        return Ok(());
    }
    match &caller.principal.actor {
        Actor::ApiKey { id, .. } => api_keys::set_project_roles(tx, project, *id, &roles).await?,
        Actor::ServiceAccount { id } => {
            service_accounts::set_project_roles(tx, project, *id, &roles).await?;
        }
        Actor::User { .. } | Actor::System { .. } => {}
    }
    Ok(())
}
