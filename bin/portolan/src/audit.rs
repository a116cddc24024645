//! The audit trail of the instance: printed for operators, and kept as long as the configuration says. What
//! writes it is in `control`.

use std::io::Write;

use anyhow::Result;
use portolan_api_types::time::iso8601;
use portolan_auth::{Authorized, Instance};
use portolan_model::EpochMs;
use portolan_runtime::Runtime;
use portolan_store::audit::AuditRow;
use portolan_store::{Page, Store, StoreError, audit};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::AuditTrail;
use crate::{config, serve, state_commands};

static SYSTEM: Authorized<Instance> = Authorized::system("audit trail");
const DAY_MS: i64 = 86_400_000;
const PRUNE_EVERY_MS: u64 = 3_600_000;

/// Prints it, newest first, whether the instance runs or not.
pub(crate) async fn print(arguments: AuditTrail, runtime: Runtime) -> Result<()> {
    let config = serve::load(&arguments.config)?;
    let store = state_commands::open_as_is(&config, &runtime).await?;
    let page = Page::new(i64::from(arguments.limit), 0);
    let open_only = arguments.open;
    let listed: Result<_, StoreError> = store
        .read_tx("audit.print", |tx| Box::pin(audit::list(tx, &SYSTEM, open_only, page)))
        .await;
    store.close().await;
    let mut out = std::io::stdout().lock();
    for row in listed?.items {
        writeln!(out, "{}", line(&row))?;
    }
    Ok(())
}

fn line(row: &AuditRow) -> Value {
    json!({
        "requestId": row.request_id.to_string(),
        "created": iso8601(row.created_at),
        "operation": row.operation,
        "resource": row.resource,
        "actorKind": row.actor_kind,
        "actorId": row.actor_id,
        "actorName": row.actor_name,
        "remoteAddress": row.remote_address,
        "outcome": row.outcome.map(audit::AuditOutcome::as_str),
        "outcomeAt": row.outcome_at.map(iso8601),
        "errorCode": row.detail,
    })
}

/// How long a row stays; `None`: for ever.
pub(crate) fn kept_ms(config: &config::Audit) -> Option<EpochMs> {
    (config.retention_days > 0).then(|| i64::from(config.retention_days) * DAY_MS)
}

/// Drops what is older, at once and every hour, until it is told to stop.
pub(crate) async fn keep_short(store: Store, kept_ms: EpochMs, stop: CancellationToken) {
    let runtime = store.runtime().clone();
    while !stop.is_cancelled() {
        if let Err(error) = prune(&store, runtime.now_ms() - kept_ms, &stop).await {
            tracing::warn!(%error, "the audit trail could not be pruned");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = runtime.sleep_ms(PRUNE_EVERY_MS) => {}
        }
    }
}

/// Drops rows of before a time, some at once, so that others get their turn.
async fn prune(
    store: &Store,
    before_ms: EpochMs,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let dropped: Result<u64, StoreError> = store
            .run_tx("host.audit.prune", |tx| Box::pin(audit::prune(tx, &SYSTEM, before_ms)))
            .await;
        if dropped? == 0 {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portolan_runtime::Runtime;
    use portolan_security::KeyRing;
    use portolan_store::{Page, audit::AuditIntent};

    use super::*;

    /// More rows than one transaction drops, and some that stay.
    #[tokio::test]
    async fn old_rows_go_and_new_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("control.db").display());
        let (runtime, clock) = Runtime::manual(DAY_MS, 1);
        let keys = KeyRing::new(&[1; 32], &[]);
        let store = Store::open(&url, keys, runtime).await.expect("a store");
        note(&store, 1_100).await;
        clock.advance_ms(10 * 86_400_000);
        note(&store, 3).await;
        let config = config::Audit { retention_days: 10 };
        let before_ms = store.runtime().now_ms() - kept_ms(&config).expect("a time");
        let stop = CancellationToken::new();
        prune(&store, before_ms, &stop).await.expect("pruned");
        assert_eq!(count(&store).await, 1_103, "ten days are not over");
        prune(&store, before_ms + 1, &stop).await.expect("pruned");
        assert_eq!(count(&store).await, 3);
        assert_eq!(kept_ms(&config::Audit { retention_days: 0 }), None);
        store.close().await;
    }

    async fn note(store: &Store, rows: usize) {
        let noted: Result<(), StoreError> = store
            .run_tx("test.note", |tx| {
                Box::pin(async move {
                    for _ in 0..rows {
                        let request_id = portolan_model::RequestId::new(tx.runtime().object_id());
                        let actor = &portolan_auth::Actor::System { reason: "test" };
                        let (operation, resource) = ("test", "/");
                        let remote_address = None;
                        let intent =
                            AuditIntent { request_id, operation, resource, actor, remote_address };
                        audit::intend(tx, &intent).await?;
                    }
                    Ok(())
                })
            })
            .await;
        noted.expect("noted");
    }

    async fn count(store: &Store) -> i64 {
        let listed: Result<_, StoreError> = store
            .read_tx("test.count", |tx| Box::pin(audit::list(tx, &SYSTEM, false, Page::new(1, 0))))
            .await;
        listed.expect("listed").total
    }
}
