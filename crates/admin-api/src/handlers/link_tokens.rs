//! Link tokens of organizations: create, delete.

use portolan_api_types::link_token::{link_token_json, parse_create};
use portolan_auth::Action;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let owner = Access::Org(Action::LinkTokensWrite);
    vec![
        atlas!(
            POST "/orgs/{orgId}/liveMigrations/linkTokens",
            "createOrgLiveMigrationLinkToken", V23, owner, create
        ),
        atlas!(
            DELETE "/orgs/{orgId}/liveMigrations/linkTokens",
            "deleteOrgLiveMigrationLinkTokens", V23, owner, delete
        ),
    ]
}

/// 201, where the public OpenAPI says 200: so does the service.
async fn create(call: Call) -> Answer {
    let addresses = parse_create(call.fields()?)?;
    let org_id = call.org_id()?;
    let token = call.control().create_link_token(&call.caller, org_id, addresses).await?;
    Ok(Reply::created(link_token_json(token.expose())))
}

async fn delete(call: Call) -> Answer {
    call.control().delete_link_tokens(&call.caller, call.org_id()?).await?;
    Ok(Reply::no_content())
}
