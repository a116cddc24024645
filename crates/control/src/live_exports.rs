//! Links for live migrations, from both ends.
//!
//! The source is told a link token of the destination's organization; it dials the destination with the
//! key inside and describes its projects, at once and then every few minutes. The destination keeps the
//! last description and lists it as available projects. The routes of the source are those of Ops
//! Manager's API (<https://www.mongodb.com/docs/ops-manager/current/reference/api/link-token/>); what
//! the two instances say to each other is Portolan's own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portolan_api_types::link_token::LinkToken;
use portolan_api_types::live_migration::{Deployment, OfferedProject, SourceView};
use portolan_api_types::{ErrorCode, Fields, Problem};
use portolan_auth::{Action, Actor, Authorized, OrgScope};
use portolan_model::{Cluster, ClusterKind, ClusterState, OrgId};
use portolan_security::SecretString;
use portolan_store::events::EventScope;
use portolan_store::live_links::{self, LiveSource};
use portolan_store::{Page, StoreError, Tx, clusters, link_tokens, organizations, projects};

use crate::access::org;
use crate::clusters::SYSTEM;
use crate::{Caller, Control, ControlError, HostError, LinkAnswer, LinkCall, trail};

/// A link whose other side was not told for so long is out of step.
const SYNCED_MS: i64 = 30 * 60 * 1_000;
/// What a source offered is not offered any more when it has been silent for so long.
pub(crate) const OFFER_MS: i64 = 24 * 60 * 60 * 1_000;

impl Control {
    /// Links an organization to the one of the token, and describes its projects there.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for what is no link token or is refused by the other side,
    /// `SERVICE_UNAVAILABLE` when nobody answers there, 401 without the role, and the store's.
    pub async fn link_live_export(
        &self,
        caller: &Caller,
        org_id: OrgId,
        token: &SecretString,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        let link = read_token(token)?;
        self.describe(witness, &link).await?;
        self.store
            .run_tx("control.live_exports.link", |tx| {
                Box::pin(async move {
                    live_links::put_export(tx, witness, token).await?;
                    note(tx, caller, org_id, "LIVE_EXPORT_LINKED").await
                })
            })
            .await
    }

    /// Whether the other side of an organization's link knows what there is.
    ///
    /// # Errors
    /// 401 without the role, and the store's.
    pub async fn live_export_is_synced(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<bool, ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        let export = self
            .store
            .read_tx("control.live_exports.status", |tx| Box::pin(live_links::export(tx, witness)))
            .await
            .map_err(|error: StoreError| ControlError::from(error))?;
        let now_ms = self.runtime.now_ms();
        Ok(export.is_some_and(|export| now_ms - export.synced_at <= SYNCED_MS))
    }

    /// Removes an organization's link. The other side is told, and forgets by itself if it cannot be.
    ///
    /// # Errors
    /// 404 when there is no link, 401 without the role, and the store's.
    pub async fn unlink_live_export(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        let export = self
            .store
            .run_tx("control.live_exports.unlink", |tx| {
                Box::pin(async move {
                    let export = live_links::export(tx, witness).await?.ok_or_else(no_link)?;
                    live_links::remove_export(tx, witness).await?;
                    note(tx, caller, org_id, "LIVE_EXPORT_UNLINKED").await?;
                    Ok::<_, ControlError>(export)
                })
            })
            .await?;
        let link = read_token(&export.token)?;
        let path = source_path(&link, org_id);
        if let Err(error) = self.links.call(&link, LinkCall::Delete, &path).await {
            tracing::info!(%org_id, %error, "the other side was not told that the link is gone");
        }
        Ok(())
    }

    /// Describes every linked organization again. To be called every few minutes.
    pub async fn sync_live_exports(&self) {
        let exports: Result<_, StoreError> = self
            .store
            .read_tx("control.live_exports.all", |tx| Box::pin(live_links::exports(tx, &SYSTEM)))
            .await;
        let exports = match exports {
            Ok(exports) => exports,
            Err(error) => {
                tracing::warn!(%error, "the links of live migrations could not be read");
                return;
            }
        };
        for export in exports {
            let witness = &SYSTEM.in_org(export.org_id);
            if let Err(error) = self.sync_one(witness, &export.token).await {
                tracing::warn!(org_id = %export.org_id, %error, "a link could not be synced");
            }
        }
    }

    async fn sync_one(
        &self,
        witness: &Authorized<OrgScope>,
        token: &SecretString,
    ) -> Result<(), ControlError> {
        self.describe(witness, &read_token(token)?).await?;
        self.store
            .run_tx("control.live_exports.synced", |tx| {
                Box::pin(live_links::note_synced(tx, witness))
            })
            .await
            .map_err(|error: StoreError| error.into())
    }

    async fn describe(
        &self,
        witness: &Authorized<OrgScope>,
        link: &LinkToken,
    ) -> Result<(), ControlError> {
        let view = self
            .store
            .read_tx("control.live_exports.describe", |tx| Box::pin(self.own_view(tx, witness)))
            .await?;
        let path = source_path(link, view.org_id);
        let call = LinkCall::Put(view.json().to_string());
        match self.links.call(link, call, &path).await {
            Ok(answer) if answer.status < 300 => Ok(()),
            Ok(answer) => Err(refused_there(&answer)),
            Err(error) => Err(not_reached(&error)),
        }
    }

    /// What an organization of ours offers: its projects and the clusters that are ready.
    async fn own_view(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<SourceView, ControlError> {
        let own = organizations::get(tx, witness).await?;
        let host = host_of(&self.public_url);
        let mut offered = Vec::new();
        for project in projects::list_in_org(tx, witness, Page::ALL).await?.items {
            let inside = &witness.in_project(project.id);
            let all = clusters::list(tx, inside, Page::ALL).await?.items;
            let ready = all.iter().map(|stored| &stored.cluster).filter(|cluster| {
                matches!(cluster.state, ClusterState::Idle | ClusterState::Updating)
            });
            offered.push(OfferedProject {
                project_id: project.id,
                name: project.name,
                migration_hosts: vec![host.clone()],
                deployments: ready.map(|cluster| self.deployment(cluster)).collect(),
            });
        }
        Ok(SourceView { org_id: own.id, org_name: own.name, projects: offered })
    }

    fn deployment(&self, cluster: &Cluster) -> Deployment {
        let is_ours = matches!(cluster.kind, ClusterKind::Sandbox { .. });
        let version = cluster.version.as_ref().map_or("unknown", |version| version.0.as_str());
        let mut parts = version.splitn(3, '.');
        let fcv = match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => format!("{major}.{minor}"),
            _ => version.to_owned(),
        };
        Deployment {
            cluster_id: Some(cluster.id),
            name: cluster.name.clone(),
            mongodb_version: version.to_owned(),
            fcv,
            managed: is_ours,
            sharded: false,
            tls_enabled: is_ours && self.clusters.listens_with_tls(),
        }
    }
}

/// The destination's end.
impl Control {
    /// Takes what a source offers. Only the key of the organization's link may say so.
    ///
    /// # Errors
    /// 404 when the organization has no link, `ACCESS_FORBIDDEN` for other callers, 401 without the role,
    /// and the store's.
    pub async fn put_live_source(
        &self,
        caller: &Caller,
        org_id: OrgId,
        source: SourceView,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        let projects = source.projects.iter().map(OfferedProject::json).collect();
        let stored = &LiveSource {
            source_org_id: source.org_id,
            source_org_name: source.org_name,
            projects,
            synced_at: self.runtime.now_ms(),
        };
        self.store
            .run_tx("control.live_sources.put", |tx| {
                Box::pin(async move {
                    check_link_key(tx, caller, witness).await?;
                    if live_links::put_source(tx, witness, stored).await? {
                        note_source(tx, caller, org_id, stored, "LIVE_MIGRATION_SOURCE_LINKED")
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Forgets a source. Only the key of the organization's link may say so.
    ///
    /// # Errors
    /// As [`Control::put_live_source`], and 404 when the source is not there.
    pub async fn remove_live_source(
        &self,
        caller: &Caller,
        org_id: OrgId,
        source_org_id: OrgId,
    ) -> Result<(), ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        self.store
            .run_tx("control.live_sources.remove", |tx| {
                Box::pin(async move {
                    check_link_key(tx, caller, witness).await?;
                    let all = live_links::sources(tx, witness).await?;
                    let found =
                        all.into_iter().find(|source| source.source_org_id == source_org_id);
                    let found = found.ok_or_else(|| {
                        let what = format!("Live migration source {source_org_id}");
                        ControlError::from(Problem::resource_not_found(what))
                    })?;
                    live_links::remove_source(tx, witness, source_org_id).await?;
                    let event = "LIVE_MIGRATION_SOURCE_UNLINKED";
                    note_source(tx, caller, org_id, &found, event).await
                })
            })
            .await
    }

    /// The projects that linked sources offer.
    ///
    /// # Errors
    /// 401 without the role, and the store's.
    pub async fn available_projects(
        &self,
        caller: &Caller,
        org_id: OrgId,
    ) -> Result<Vec<OfferedProject>, ControlError> {
        let witness = &org(&caller.principal, Action::LinkTokensWrite, org_id)?;
        self.store
            .read_tx("control.live_sources.list", |tx| Box::pin(self.offered(tx, witness)))
            .await
    }

    /// What sources offer that were heard of lately.
    pub(crate) async fn offered(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<OrgScope>,
    ) -> Result<Vec<OfferedProject>, ControlError> {
        let oldest = self.runtime.now_ms() - OFFER_MS;
        let mut offered = Vec::new();
        for source in live_links::sources(tx, witness).await? {
            let stored = source.projects.as_array().filter(|_| source.synced_at >= oldest);
            for project in stored.into_iter().flatten() {
                let fields = Fields::parse(project.to_string().as_bytes());
                let read = fields.and_then(OfferedProject::read);
                offered.push(read.map_err(|problem| ControlError::internal(problem.detail))?);
            }
        }
        Ok(offered)
    }
}

fn read_token(token: &SecretString) -> Result<LinkToken, ControlError> {
    let json = URL_SAFE_NO_PAD.decode(token.expose().trim()).ok();
    let read = json.and_then(|json| LinkToken::read(&json));
    read.ok_or_else(|| Problem::validation("linkToken", "is not a link token").into())
}

fn source_path(link: &LinkToken, source: OrgId) -> String {
    format!("/api/portolan/v1/orgs/{}/liveMigrationSources/{source}", link.org_id)
}

/// `host:port` of an address, without what stands before and after.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

fn refused_there(answer: &LinkAnswer) -> ControlError {
    let code: String = serde_json::from_str(&answer.body)
        .ok()
        .and_then(|body: serde_json::Value| body["errorCode"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let rule = format!("was refused by the instance that made it ({} {code})", answer.status);
    Problem::validation("linkToken", rule.trim_end().to_owned()).into()
}

fn not_reached(error: &HostError) -> ControlError {
    match error {
        HostError::Refused(why) => {
            Problem::validation("linkToken", format!("names an address that is not dialled: {why}"))
                .into()
        }
        HostError::Unreachable(_) | HostError::Failed(_) => {
            let detail = "The instance that made the link token could not be reached.";
            Problem::new(ErrorCode::ServiceUnavailable, detail).into()
        }
    }
}

fn no_link() -> ControlError {
    Problem::resource_not_found("Live export link of the organization").into()
}

/// The caller must be the key that the organization's link token carries.
async fn check_link_key(
    tx: &mut Tx<'_>,
    caller: &Caller,
    witness: &Authorized<OrgScope>,
) -> Result<(), ControlError> {
    let link = link_tokens::fetch(tx, witness).await?;
    let link = link.ok_or_else(|| {
        ControlError::from(Problem::resource_not_found("Link token of the organization"))
    })?;
    match &caller.principal.actor {
        Actor::ApiKey { id, .. } if *id == link.api_key_id => Ok(()),
        _ => {
            let detail = "Only the key of the organization's link token may describe a source.";
            Err(Problem::new(ErrorCode::AccessForbidden, detail).into())
        }
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    event: &str,
) -> Result<(), ControlError> {
    Ok(trail::note(tx, caller, EventScope::Org(org_id), event, &[]).await?)
}

async fn note_source(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    source: &LiveSource,
    event: &str,
) -> Result<(), ControlError> {
    let target = [
        ("sourceOrgId", source.source_org_id.to_string()),
        ("sourceOrgName", source.source_org_name.clone()),
    ];
    Ok(trail::note(tx, caller, EventScope::Org(org_id), event, &target).await?)
}
