//! Downloading query logs: of a cluster's endpoints, or of one of them by the name of its instance.
//!
//! The permission is checked and the event written before the first line; lines then come page by page,
//! each in a transaction of its own, so that a slow client holds nothing.

use portolan_api_types::data_federation::{check_log_window, log_file_name};
use portolan_auth::{Action, Authorized, ProjectScope};
use portolan_model::{ArchiveTenant, ClusterId, EpochMs, ProjectId};
use portolan_store::events::EventScope;
use portolan_store::query_log::{self, LogLine, LogPart, first_id};
use portolan_store::{StoreError, Tx};

use crate::access::project_in;
use crate::clusters::cluster_in;
use crate::data_federation::tenant_in;
use crate::{Caller, Control, ControlError, trail};

/// What is downloaded when a request does not say: the last four hours, as the service does.
const WINDOW_MS: i64 = 4 * 60 * 60 * 1_000;
/// Lines of a page. One is at most some 20 KiB.
const PAGE_LINES: i64 = 100;

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOwner<'a> {
    /// The endpoints of a cluster.
    Cluster {
        /// Its name.
        name: &'a str,
        /// Leave queries on cluster and archive out.
        archive_only: bool,
    },
    /// One federated database instance, by its name.
    Tenant(&'a str),
}

/// From when until when: start included, end left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogWindow {
    /// Default: four hours before the end.
    pub start: Option<EpochMs>,
    /// Default: now.
    pub end: Option<EpochMs>,
}

/// A log being downloaded.
#[derive(Debug)]
pub struct QueryLogReader {
    store: portolan_store::Store,
    witness: Authorized<ProjectScope>,
    part: LogPart,
    /// What the file is to be called.
    pub file_name: String,
}

impl Control {
    /// Opens a log for reading.
    ///
    /// # Errors
    /// `CLUSTER_NOT_FOUND`, `DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME`, `GROUP_NOT_FOUND`,
    /// `INVALID_QUERY_PARAMETER` for a window that ends before it begins, 401 without the role, and the
    /// store's.
    pub async fn open_query_log(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        owner: LogOwner<'_>,
        window: LogWindow,
    ) -> Result<QueryLogReader, ControlError> {
        let end = window.end.unwrap_or_else(|| self.runtime.now_ms() + 1);
        let start = window.start.unwrap_or(end - WINDOW_MS);
        check_log_window(start, end)?;
        let (witness, cluster_id, tenant, only) = self
            .store
            .run_tx("control.query_logs.open", |tx| {
                Box::pin(async move {
                    let action = Action::QueryLogsRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let (cluster_id, tenant, only) = find(tx, &witness, owner).await?;
                    note(tx, caller, project_id, owner, &tenant).await?;
                    Ok::<_, ControlError>((witness, cluster_id, tenant, only))
                })
            })
            .await?;
        let (after, before) = (first_id(start), first_id(end));
        let part = LogPart { cluster_id, archive_only: only, after, before };
        let file_name = log_file_name(&tenant, start, end);
        Ok(QueryLogReader { store: self.store.clone(), witness, part, file_name })
    }
}

impl QueryLogReader {
    /// The next lines, oldest first; none at the end.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_lines(&mut self) -> Result<Vec<String>, ControlError> {
        let (witness, part) = (&self.witness, &self.part);
        let lines: Result<Vec<LogLine>, StoreError> = self
            .store
            .read_tx("control.query_logs.read", |tx| {
                Box::pin(query_log::read(tx, witness, part, PAGE_LINES))
            })
            .await;
        let lines = lines?;
        if let Some(last) = lines.last() {
            self.part.after.clone_from(&last.id);
        }
        Ok(lines.into_iter().map(|line| line.line).collect())
    }
}

/// The cluster, the instance that names the file, and which of its queries are wanted.
async fn find(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    owner: LogOwner<'_>,
) -> Result<(ClusterId, ArchiveTenant, Option<bool>), ControlError> {
    match owner {
        LogOwner::Cluster { name, archive_only } => {
            let cluster = cluster_in(tx, witness, name).await?.cluster;
            let tenant = ArchiveTenant { cluster_name: cluster.name, archive_only };
            Ok((cluster.id, tenant, archive_only.then_some(true)))
        }
        LogOwner::Tenant(name) => {
            let (tenant, stored) = tenant_in(tx, witness, name).await?;
            let archive_only = tenant.archive_only;
            Ok((stored.cluster.id, tenant, Some(archive_only)))
        }
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    owner: LogOwner<'_>,
    tenant: &ArchiveTenant,
) -> Result<(), ControlError> {
    let event = match owner {
        LogOwner::Cluster { .. } => "ONLINE_ARCHIVE_QUERY_LOGS_DOWNLOADED",
        LogOwner::Tenant(_) => "FEDERATED_DATABASE_QUERY_LOGS_DOWNLOADED",
    };
    let target = [("clusterName", tenant.cluster_name.clone()), ("tenantName", tenant.name())];
    Ok(trail::note(tx, caller, EventScope::Project(project_id), event, &target).await?)
}
