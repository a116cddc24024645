//! Portolan's own previews: what a move or a deletion would do. They change nothing, so they answer
//! GET and POST alike; only POST can carry keys.

use portolan_api_types::Problem;
use portolan_api_types::preview::{DeleteView, MoveView};
use portolan_api_types::project::MoveProject;
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, own};

pub(crate) fn routes() -> Vec<Route> {
    let seen = Access::Project(Action::ProjectRead);
    let owner = Access::Org(Action::OrgDelete);
    vec![
        own!(GET "/groups/{groupId}:migratePreview", "previewGroupMigrate", seen, get_move),
        own!(POST "/groups/{groupId}:migratePreview", "previewGroupMigrateWithKeys", seen,
            post_move),
        own!(GET "/orgs/{orgId}:deletePreview", "previewOrgDelete", owner, delete),
        own!(POST "/orgs/{orgId}:deletePreview", "previewOrgDeleteByPost", owner, delete),
    ]
}

async fn get_move(call: Call) -> Answer {
    let destination = call.query_id("destinationOrgId")?;
    let destination_org_id =
        destination.ok_or_else(|| Problem::missing_attribute("destinationOrgId"))?;
    let request = MoveProject { destination_org_id, public_key: None, private_key: None };
    show_move(call, request).await
}

async fn post_move(call: Call) -> Answer {
    let request = MoveProject::read(call.fields()?)?;
    show_move(call, request).await
}

async fn show_move(call: Call, request: MoveProject) -> Answer {
    let preview = call.control().preview_move(&call.caller, call.project_id()?, request).await?;
    let effects = &preview.effects;
    let users: Vec<_> =
        effects.users.iter().map(|user| (user.id, &*user.username, user.member_already)).collect();
    let view = MoveView {
        project: &preview.project,
        destination_org_id: preview.destination_org_id,
        destination_proven: preview.destination_proven,
        clusters: &preview.clusters,
        archives: preview.archives,
        users: &users,
        api_keys_lost: &effects.api_keys_dropped,
        service_accounts_lost: &effects.service_accounts_dropped,
        teams_lost: &effects.teams_dropped,
        invitations_lost: &effects.invitations_dropped,
        blockers: &preview.blockers,
    };
    Ok(Reply::ok(view.json()))
}

async fn delete(call: Call) -> Answer {
    let preview = call.control().preview_org_delete(&call.caller, call.org_id()?).await?;
    let view = DeleteView {
        org: &preview.org,
        projects: &preview.projects,
        blockers: &preview.blockers,
        api_keys: preview.api_keys,
        service_accounts: preview.service_accounts,
        users: preview.users,
        teams: preview.teams,
        link_token: preview.link_token,
    };
    Ok(Reply::ok(view.json()))
}
