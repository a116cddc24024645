//! Moving a project to another organization.

use portolan_api_types::project::{MoveProject, json};
use portolan_api_types::version::V2024_05_30;
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, Version, atlas, current};

const VERSIONS: &[Version] = &[current(V2024_05_30)];

pub(crate) fn routes() -> Vec<Route> {
    // The use case demands more and answers 403: a 401 would make clients ask for other credentials.
    let seen = Access::Project(Action::ProjectRead);
    vec![atlas!(POST "/groups/{groupId}:migrate", "migrateGroup", VERSIONS, seen, migrate)]
}

async fn migrate(call: Call) -> Answer {
    let request = MoveProject::read(call.fields()?)?;
    let found = call.control().move_project(&call.caller, call.project_id()?, request).await?;
    Ok(Reply::ok(json(&found.project, found.clusters, call.base())))
}
