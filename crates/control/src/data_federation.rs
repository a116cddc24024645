//! Federated database instances. Portolan has those that archives bring along, two per cluster; it makes
//! none of users' own, because it reads no storage but its archives'.

use portolan_api_types::data_federation::{LimitDraft, TenantDraft, TenantType};
use portolan_api_types::{Page as ApiPage, Problem};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ArchiveTenant, OnlineArchive, ProjectId, QueryLimitName};
use portolan_store::clusters::StoredCluster;
use portolan_store::endpoints::EndpointRole;
use portolan_store::events::EventScope;
use portolan_store::query_limits::{QueryLimit, ReadEndpoint};
use portolan_store::{Page, Tx, archives, clusters, endpoints, query_limits};

use crate::access::project_in;
use crate::clusters::SYSTEM;
use crate::{Caller, Control, ControlError, trail};

/// An instance as its answers need it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundTenant {
    /// The instance.
    pub tenant: ArchiveTenant,
    /// Where clients connect: `host:port`.
    pub host: String,
    /// The archives that it shows.
    pub archives: Vec<OnlineArchive>,
}

/// A limit as its answers need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundQueryLimit {
    /// The limit.
    pub limit: QueryLimit,
    /// Bytes read in the period under way.
    pub used: i64,
}

impl Control {
    /// The instances of a project.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_tenants(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        kind: TenantType,
    ) -> Result<Vec<FoundTenant>, ControlError> {
        self.store
            .read_tx("control.tenants.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let mut tenants = Vec::new();
                    if kind == TenantType::OnlineArchive {
                        for stored in clusters::list(tx, &witness, Page::ALL).await?.items {
                            tenants.extend(self.tenants_of(tx, &witness, &stored).await?);
                        }
                    }
                    Ok(tenants)
                })
            })
            .await
    }

    /// One instance.
    ///
    /// # Errors
    /// `DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_tenant(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<FoundTenant, ControlError> {
        self.store
            .read_tx("control.tenants.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (tenant, stored) = tenant_in(tx, &witness, name).await?;
                    let mut found = self.tenants_of(tx, &witness, &stored).await?;
                    found.retain(|other| other.tenant == tenant);
                    found.pop().ok_or_else(|| Problem::tenant_not_found(project_id, name).into())
                })
            })
            .await
    }

    /// Refuses to make an instance, once its request is known to be right.
    ///
    /// # Errors
    /// Always: `FEATURE_UNSUPPORTED`, `GROUP_NOT_FOUND`, 401 without the role, or the store's.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        _draft: TenantDraft,
    ) -> Result<FoundTenant, ControlError> {
        self.project(&caller.principal, Action::ProjectUpdate, project_id).await?;
        let what = "federated database instances over users' own storage; Portolan reads no \
                    storage but that of its archives, whose instances come with the archives";
        Err(Problem::unsupported(what).into())
    }

    /// Refuses to change an instance: what it shows is what is archived.
    ///
    /// # Errors
    /// Always: `FEATURE_UNSUPPORTED`, those of [`Control::get_tenant`], 401 without the role.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
        _draft: TenantDraft,
    ) -> Result<FoundTenant, ControlError> {
        self.check_tenant(caller, project_id, name).await?;
        let what = "changing the federated database instance of online archives; what it shows \
                    is what is archived";
        Err(Problem::unsupported(what).into())
    }

    /// Refuses to delete an instance: it goes with the last archive of its cluster.
    ///
    /// # Errors
    /// Always: `FEATURE_UNSUPPORTED`, those of [`Control::get_tenant`], 401 without the role.
    pub async fn delete_tenant(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<(), ControlError> {
        self.check_tenant(caller, project_id, name).await?;
        let what = "deleting the federated database instance of online archives; it goes with \
                    the last archive of its cluster";
        Err(Problem::unsupported(what).into())
    }

    async fn check_tenant(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<(), ControlError> {
        self.store
            .read_tx("control.tenants.check", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUpdate;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    tenant_in(tx, &witness, name).await.map(|_| ())
                })
            })
            .await
    }

    /// Both instances of a cluster; none while it has no archive.
    async fn tenants_of(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        stored: &StoredCluster,
    ) -> Result<Vec<FoundTenant>, ControlError> {
        let cluster = &stored.cluster;
        let listed = archives::list(tx, witness, cluster.id, Page::ALL).await?.items;
        let archives: Vec<OnlineArchive> = listed.into_iter().map(|it| it.archive).collect();
        if archives.is_empty() {
            return Ok(Vec::new());
        }
        let given = endpoints::of_cluster(tx, &SYSTEM, cluster.id).await?;
        let mut found = Vec::new();
        for (role, archive_only) in
            [(EndpointRole::Archive, true), (EndpointRole::ClusterAndArchive, false)]
        {
            let Some(endpoint) = given.iter().find(|endpoint| endpoint.role == role) else {
                continue;
            };
            let tenant = ArchiveTenant { cluster_name: cluster.name.clone(), archive_only };
            let host = format!("{}:{}", self.clusters.advertised_host(), endpoint.port);
            found.push(FoundTenant { tenant, host, archives: archives.clone() });
        }
        Ok(found)
    }
}

/// Limits of what an instance's queries read.
impl Control {
    /// The limits that were set.
    ///
    /// # Errors
    /// Those of [`Control::get_tenant`].
    pub async fn list_query_limits(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        name: &str,
    ) -> Result<ApiPage<FoundQueryLimit>, ControlError> {
        let now_ms = self.runtime.now_ms();
        self.store
            .read_tx("control.query_limits.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let endpoint = endpoint_in(tx, &witness, name).await?;
                    let mut found = Vec::new();
                    for limit in query_limits::list(tx, &witness, endpoint).await? {
                        let used = query_limits::usage(tx, endpoint, limit.name, now_ms).await?;
                        found.push(FoundQueryLimit { limit, used });
                    }
                    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
                    Ok(ApiPage { items: found, total })
                })
            })
            .await
    }

    /// One limit.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` when it was not set, and those of [`Control::get_tenant`].
    pub async fn get_query_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        tenant: &str,
        name: QueryLimitName,
    ) -> Result<FoundQueryLimit, ControlError> {
        let all = self.list_query_limits(caller, project_id, tenant).await?.items;
        let found = all.into_iter().find(|found| found.limit.name == name);
        found.ok_or_else(|| no_limit(tenant, name))
    }

    /// Sets a limit. It holds from the next query on.
    ///
    /// # Errors
    /// Those of [`Control::get_tenant`], and 401 without the role.
    pub async fn set_query_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        tenant: &str,
        name: QueryLimitName,
        draft: LimitDraft,
    ) -> Result<FoundQueryLimit, ControlError> {
        let now_ms = self.runtime.now_ms();
        let LimitDraft { bytes, overrun_policy } = draft;
        let limit = &QueryLimit { name, bytes, overrun_policy, modified_at: now_ms };
        self.store
            .run_tx("control.query_limits.set", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUpdate;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let endpoint = endpoint_in(tx, &witness, tenant).await?;
                    query_limits::set(tx, &witness, endpoint, limit).await?;
                    let event = "DATA_FEDERATION_QUERY_LIMIT_CONFIGURED";
                    note(tx, caller, project_id, tenant, name, event).await?;
                    let used = query_limits::usage(tx, endpoint, name, now_ms).await?;
                    Ok(FoundQueryLimit { limit: *limit, used })
                })
            })
            .await
    }

    /// Removes a limit.
    ///
    /// # Errors
    /// `RESOURCE_NOT_FOUND` when it was not set, those of [`Control::get_tenant`], and 401 without the
    /// role.
    pub async fn delete_query_limit(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        tenant: &str,
        name: QueryLimitName,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.query_limits.delete", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUpdate;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let endpoint = endpoint_in(tx, &witness, tenant).await?;
                    if !query_limits::remove(tx, &witness, endpoint, name).await? {
                        return Err(no_limit(tenant, name));
                    }
                    let event = "DATA_FEDERATION_QUERY_LIMIT_DELETED";
                    note(tx, caller, project_id, tenant, name, event).await
                })
            })
            .await
    }
}

fn no_limit(tenant: &str, name: QueryLimitName) -> ControlError {
    let name = name.as_str();
    Problem::resource_not_found(format!("Limit {name} of data federation tenant {tenant}")).into()
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    tenant: &str,
    limit: QueryLimitName,
    event: &str,
) -> Result<(), ControlError> {
    let target = [("tenantName", tenant.to_owned()), ("limitName", limit.as_str().to_owned())];
    Ok(trail::note(tx, caller, EventScope::Project(project_id), event, &target).await?)
}

/// The instance of that name and its cluster, inside a transaction.
pub(crate) async fn tenant_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    name: &str,
) -> Result<(ArchiveTenant, StoredCluster), ControlError> {
    let absent = || ControlError::from(Problem::tenant_not_found(witness.project_id(), name));
    let tenant = ArchiveTenant::parse(name).ok_or_else(absent)?;
    let found = clusters::by_name(tx, witness, &tenant.cluster_name).await?;
    let stored = found.ok_or_else(absent)?;
    let archives = archives::list(tx, witness, stored.cluster.id, Page::new(1, 0)).await?;
    if archives.total == 0 { Err(absent()) } else { Ok((tenant, stored)) }
}

async fn endpoint_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    name: &str,
) -> Result<ReadEndpoint, ControlError> {
    let (tenant, stored) = tenant_in(tx, witness, name).await?;
    let archive_only = tenant.archive_only;
    Ok(ReadEndpoint { cluster_id: stored.cluster.id, archive_only })
}
