//! Link tokens: how a source of live migrations is allowed into an organization.
//!
//! A token carries an API key of the organization with the owner role. Link and key live and die
//! together: deleting the link makes the key useless at once, and so does creating another.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portolan_api_types::link_token::TokenContents;
use portolan_api_types::{ErrorCode, Problem};
use portolan_auth::{Action, Authorized, OrgScope};
use portolan_model::{ApiKeyId, OrgId, OrgRole};
use portolan_security::{IpNet, SecretString};
use portolan_store::access_lists::{self, AccessOwner};
use portolan_store::events::EventScope;
use portolan_store::link_tokens::{self, MigrationRow, OrgLink};
use portolan_store::{StoreError, Tx, api_keys};

use crate::access::org;
use crate::api_keys::{KeyMaterial, insert_key};
use crate::{Caller, Control, ControlError, trail};

const KEY_DESCRIPTION: &str = "Link token for live migrations";

impl Control {
    /// Creates the organization's link and the token for it, in place of the one before.
    ///
    /// # Errors
    /// A conflict while a migration runs on the link before, 401 without the role, and the store's.
    pub async fn create_link_token(
        &self,
        caller: &Caller,
        org_id: OrgId,
        addresses: Vec<IpAddr>,
    ) -> Result<SecretString, ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        let key = &KeyMaterial::generate(&self.runtime);
        let link = &OrgLink {
            org_id,
            api_key_id: key.id,
            access_list_ips: addresses,
            created_at: self.runtime.now_ms(),
        };
        self.store
            .run_tx("control.link_tokens.create", |tx| {
                Box::pin(async move {
                    refuse_running(tx, witness).await?;
                    remove_link(tx, caller, witness).await?;
                    insert_key(tx, witness, key, KEY_DESCRIPTION, &[OrgRole::Owner]).await?;
                    for address in &link.access_list_ips {
                        let owner = AccessOwner::ApiKey(key.id);
                        access_lists::insert(tx, witness, owner, IpNet::from(*address)).await?;
                    }
                    link_tokens::replace(tx, witness, link).await?;
                    note(tx, caller, org_id, key.id, "API_KEY_CREATED").await?;
                    Ok::<_, ControlError>(())
                })
            })
            .await?;
        Ok(self.token(org_id, key))
    }

    fn token(&self, org_id: OrgId, key: &KeyMaterial) -> SecretString {
        let contents = TokenContents {
            base_url: &self.public_url,
            org_id: org_id.to_string(),
            public_key: &key.pair.public_key,
            private_key: key.pair.private_key.expose(),
        };
        SecretString::new(URL_SAFE_NO_PAD.encode(contents.json()))
    }

    /// Deletes the organization's link and the key that its token carries.
    ///
    /// # Errors
    /// 404 when there is no link, `CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK` while a
    /// migration runs on it, 401 without the role, and the store's.
    pub async fn delete_link_tokens(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        self.store
            .run_tx("control.link_tokens.delete", |tx| {
                Box::pin(async move {
                    if link_tokens::fetch(tx, witness).await?.is_none() {
                        return Err(no_link());
                    }
                    refuse_running(tx, witness).await?;
                    remove_link(tx, caller, witness).await?;
                    Ok::<_, ControlError>(())
                })
            })
            .await
    }
}

/// The recorded answer has no parameters: not an empty list.
fn no_link() -> ControlError {
    let detail = "Could not find the requested external organization link.";
    let mut problem = Problem::new(ErrorCode::OrgLinkNotFound, detail);
    problem.parameters = None;
    problem.into()
}

async fn refuse_running(
    tx: &mut Tx<'_>,
    witness: &Authorized<OrgScope>,
) -> Result<(), ControlError> {
    let running = link_tokens::running_migrations(tx, witness).await?;
    if running.is_empty() { Ok(()) } else { Err(still_running(&running)) }
}

fn still_running(running: &[MigrationRow]) -> ControlError {
    let projects: Vec<String> = running.iter().map(|row| row.project_id.to_string()).collect();
    let list = projects.join(", ");
    let detail = format!(
        "The organization link cannot be deleted while live migrations use it. Projects: {list}."
    );
    Problem::new(ErrorCode::CannotDeleteOrgActiveMigration, detail).with(list).into()
}

/// Removes link and key, if there are any. The key may be gone already: then the link is, too.
async fn remove_link(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<OrgScope>,
) -> Result<(), ControlError> {
    let Some(link) = link_tokens::fetch(tx, witness).await? else { return Ok(()) };
    link_tokens::remove(tx, witness).await?;
    match api_keys::delete(tx, witness, link.api_key_id).await {
        Ok(()) | Err(StoreError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    note(tx, caller, witness.org_id(), link.api_key_id, "API_KEY_DELETED").await
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    key_id: ApiKeyId,
    type_name: &str,
) -> Result<(), ControlError> {
    let target = [("apiKeyId", key_id.to_string()), ("description", KEY_DESCRIPTION.to_owned())];
    Ok(trail::note(tx, caller, EventScope::Org(org_id), type_name, &target).await?)
}

#[cfg(test)]
mod tests;
