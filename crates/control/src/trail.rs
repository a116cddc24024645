//! Events and audit outcomes: written in the transaction that makes them true.

use portolan_api_types::{ErrorKind, Problem};
use portolan_model::{OrgId, ProjectId};
use portolan_store::audit::{self, AuditIntent, AuditOutcome};
use portolan_store::events::{self, EventScope, NewEvent};
use portolan_store::{StoreError, Tx};

use crate::{Caller, Control, ControlError};

/// Further fields of an event, by their names on the wire.
pub(crate) type Target<'a> = &'a [(&'a str, String)];

/// Records an event of a change that the caller makes, and settles the request's audit row.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    scope: EventScope,
    type_name: &str,
    target: Target<'_>,
) -> Result<(), StoreError> {
    let address = caller.remote_address.map(|address| address.to_string());
    let event = NewEvent {
        type_name,
        scope,
        actor: &caller.principal.actor,
        remote_address: address.as_deref(),
        target,
    };
    events::insert(tx, &event).await?;
    audit::settle(tx, caller.request_id, AuditOutcome::Done, None).await
}

/// [`note`] for one organization, with one further field.
pub(crate) async fn note_in_org(
    tx: &mut Tx<'_>,
    caller: &Caller,
    org_id: OrgId,
    type_name: &str,
    target: (&str, impl ToString),
) -> Result<(), StoreError> {
    let target = [(target.0, target.1.to_string())];
    note(tx, caller, EventScope::Org(org_id), type_name, &target).await
}

/// [`note`] for one project, with one further field.
pub(crate) async fn note_in_project(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    type_name: &str,
    target: (&str, impl ToString),
) -> Result<(), StoreError> {
    let target = [(target.0, target.1.to_string())];
    note(tx, caller, EventScope::Project(project_id), type_name, &target).await
}

impl Control {
    /// Writes the audit row of a request that is about to change something. The change, whose commit is
    /// durable, makes its row durable with it; so does any commit before an effect outside the store.
    ///
    /// # Errors
    /// The store's: without its row the request must not run.
    pub async fn note_intent(
        &self,
        caller: &Caller,
        operation: &str,
        resource: &str,
    ) -> Result<(), ControlError> {
        let address = caller.remote_address.map(|address| address.to_string());
        let intent = &AuditIntent {
            request_id: caller.request_id,
            operation,
            resource,
            actor: &caller.principal.actor,
            remote_address: address.as_deref(),
        };
        self.store
            .run_light_tx("control.audit.intend", |tx| Box::pin(audit::intend(tx, intent)))
            .await
            .map_err(ControlError::from)
    }

    /// Settles the audit row of a request whose use case did not: it was refused, it failed, or it
    /// changed nothing. A row whose outcome nobody knows stays open, which is what it then says.
    pub async fn note_outcome(&self, caller: &Caller, failure: Option<&Problem>) {
        let (outcome, detail) = match failure {
            None => (AuditOutcome::Done, None),
            Some(problem) => match problem.code.kind() {
                ErrorKind::Unknown => return,
                ErrorKind::Internal | ErrorKind::Retry => {
                    (AuditOutcome::Failed, Some(problem.code.as_str()))
                }
                _ => (AuditOutcome::Refused, Some(problem.code.as_str())),
            },
        };
        if let Err(error) = self.settle_audit(caller, outcome, detail).await {
            tracing::warn!(request_id = %caller.request_id, %error, "an audit row stays open");
        }
    }

    /// Sets the outcome of a request's audit row. Mostly the change itself did, and nothing is written.
    async fn settle_audit(
        &self,
        caller: &Caller,
        outcome: AuditOutcome,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        let request_id = caller.request_id;
        let open = self
            .store
            .read_tx("control.audit.read", |tx| Box::pin(audit::is_open(tx, request_id)))
            .await?;
        if !open {
            return Ok(());
        }
        let settle = "control.audit.settle";
        self.store
            .run_tx(settle, |tx| Box::pin(audit::settle(tx, request_id, outcome, detail)))
            .await
    }
}
