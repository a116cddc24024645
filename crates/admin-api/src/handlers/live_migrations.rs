//! Live migrations into a project, and what linked organizations offer.

use portolan_api_types::Problem;
use portolan_api_types::live_migration::{
    MigrationRequest, MigrationView, OfferedProject, ValidationView, parse_request,
};
use portolan_api_types::version;
use portolan_auth::Action;
use portolan_store::link_tokens::MigrationDetails;
use portolan_store::live_validations::LiveValidation;
use serde_json::{Value, json};

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, Version, atlas, current, deprecated};

const TWO: &[Version] = &[deprecated(version::V2023_01_01), current(version::V2024_05_30)];

pub(crate) fn routes() -> Vec<Route> {
    let owner = Access::Project(Action::LiveMigrationsWrite);
    let read = Access::Project(Action::LiveMigrationsRead);
    vec![
        atlas!(
            GET "/orgs/{orgId}/liveMigrations/availableProjects",
            "listOrgLiveMigrationAvailableProjects", V23, Access::Org(Action::LinkTokensWrite),
            available
        ),
        atlas!(
            POST "/groups/{groupId}/liveMigrations", "createGroupLiveMigration", TWO, owner, create
        ),
        atlas!(
            POST "/groups/{groupId}/liveMigrations/validate",
            "validateGroupLiveMigrations", TWO, owner, validate
        ),
        atlas!(
            GET "/groups/{groupId}/liveMigrations/validate/{validationId}",
            "getGroupLiveMigrationValidateStatus", V23, owner, validation
        ),
        atlas!(
            GET "/groups/{groupId}/liveMigrations/{liveMigrationId}",
            "getGroupLiveMigration", V23, read, get
        ),
        atlas!(
            PUT "/groups/{groupId}/liveMigrations/{liveMigrationId}/cutover",
            "cutoverGroupLiveMigration", V23, owner, cutover
        ),
    ]
}

/// A bare array, as the service answers.
async fn available(call: Call) -> Answer {
    let offered = call.control().available_projects(&call.caller, call.org_id()?).await?;
    Ok(Reply::list(offered.iter().map(OfferedProject::json).collect()))
}

fn request(call: &Call) -> Result<MigrationRequest, Problem> {
    parse_request(call.fields()?, call.body_version)
}

async fn create(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, request(&call)?);
    let made = call.control().create_live_migration(&call.caller, project_id, &request).await?;
    Ok(Reply::created(migration_shown(&made)))
}

async fn validate(call: Call) -> Answer {
    let (project_id, request) = (call.project_id()?, request(&call)?);
    let started = call.control().validate_live_migration(&call.caller, project_id, request).await?;
    Ok(Reply::ok(validation_shown(&started)))
}

async fn validation(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("validationId")?);
    let found = call.control().live_validation(&call.caller, project_id, id).await?;
    Ok(Reply::ok(validation_shown(&found)))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("liveMigrationId")?);
    let found = call.control().live_migration(&call.caller, project_id, id).await?;
    Ok(Reply::ok(migration_shown(&found)))
}

async fn cutover(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("liveMigrationId")?);
    call.control().cutover_live_migration(&call.caller, project_id, id).await?;
    Ok(Reply::accepted())
}

fn validation_shown(found: &LiveValidation) -> Value {
    ValidationView {
        id: found.id,
        project_id: found.project_id,
        source_project_id: found.source_project_id,
        status: &found.status,
        error_message: found.error_message.as_deref(),
    }
    .json()
}

fn migration_shown(found: &MigrationDetails) -> Value {
    MigrationView {
        id: found.row.id,
        status: &found.row.status,
        ready_for_cutover: found.ready_for_cutover,
        lag_time_s: found.lag_time_s,
        migration_hosts: &found.migration_hosts,
    }
    .json()
}

/// Links for live migrations: the routes of Ops Manager at the source, and Portolan's own at the
/// destination, which only the source's Portolan calls.
pub(crate) mod links {
    use portolan_api_types::link_token::parse_link;
    use portolan_api_types::live_migration::parse_source;

    use super::{Access, Action, Answer, Call, Reply, Route, json};
    use crate::route::{own, public};

    pub(crate) fn routes() -> Vec<Route> {
        let owner = Access::Org(Action::LinkTokensWrite);
        vec![
            public!(POST "/orgs/{orgId}/liveExport/migrationLink", "createLiveExportLink", owner,
                link),
            public!(GET "/orgs/{orgId}/liveExport/migrationLink/status", "getLiveExportLinkStatus",
                owner, status),
            public!(DELETE "/orgs/{orgId}/liveExport/migrationLink", "deleteLiveExportLink", owner,
                unlink),
            own!(PUT "/orgs/{orgId}/liveMigrationSources/{sourceOrgId}", "putLiveMigrationSource",
                owner, put_source),
            own!(DELETE "/orgs/{orgId}/liveMigrationSources/{sourceOrgId}",
                "deleteLiveMigrationSource", owner, remove_source),
        ]
    }

    async fn link(call: Call) -> Answer {
        let (org_id, token) = (call.org_id()?, parse_link(call.fields()?)?);
        call.control().link_live_export(&call.caller, org_id, &token).await?;
        Ok(Reply::created(json!({ "status": "SYNCED" })))
    }

    async fn status(call: Call) -> Answer {
        let synced = call.control().live_export_is_synced(&call.caller, call.org_id()?).await?;
        let status = if synced { "SYNCED" } else { "NOT_SYNCED" };
        Ok(Reply::ok(json!({ "status": status })))
    }

    async fn unlink(call: Call) -> Answer {
        call.control().unlink_live_export(&call.caller, call.org_id()?).await?;
        Ok(Reply::no_content())
    }

    async fn put_source(call: Call) -> Answer {
        let (org_id, source_org_id) = (call.org_id()?, call.id("sourceOrgId")?);
        let source = parse_source(source_org_id, call.fields()?)?;
        call.control().put_live_source(&call.caller, org_id, source).await?;
        Ok(Reply::no_content())
    }

    async fn remove_source(call: Call) -> Answer {
        let (org_id, source_org_id) = (call.org_id()?, call.id("sourceOrgId")?);
        call.control().remove_live_source(&call.caller, org_id, source_org_id).await?;
        Ok(Reply::no_content())
    }
}
