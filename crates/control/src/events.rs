//! Reading events.

use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::Action;
use portolan_model::{EpochMs, EventId, OrgId, ProjectId};
use portolan_store::StoreError;
use portolan_store::events::{self, Event, EventFilter};

use crate::access::{org, project_in};
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError};

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only these types; empty for all.
    pub types: Vec<String>,
    /// None of these types.
    pub excluded_types: Vec<String>,
    /// Only those about these clusters; empty for all.
    pub cluster_names: Vec<String>,
    /// Not before.
    pub from_ms: Option<EpochMs>,
    /// Not after.
    pub until_ms: Option<EpochMs>,
}

impl EventQuery {
    fn filter(&self) -> EventFilter<'_> {
        EventFilter {
            types: &self.types,
            excluded_types: &self.excluded_types,
            cluster_names: &self.cluster_names,
            from_ms: self.from_ms,
            until_ms: self.until_ms,
        }
    }
}

impl Control {
    /// The events of an organization, newest first.
    ///
    /// # Errors
    /// `ORG_NOT_FOUND`, and the store's.
    pub async fn list_org_events(
        &self,
        caller: &Caller,
        org_id: OrgId,
        query: &EventQuery,
        paging: Paging,
    ) -> Result<Page<Event>, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        let (filter, page) = (&query.filter(), store_page(paging));
        self.store
            .read_tx("control.events.list_of_org", |tx| {
                Box::pin(events::list_of_org(tx, witness, filter, page))
            })
            .await
            .map(api_page)
            .map_err(|error: StoreError| error.into())
    }

    /// The events of a project, newest first.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_project_events(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        query: &EventQuery,
        paging: Paging,
    ) -> Result<Page<Event>, ControlError> {
        let (filter, page) = (&query.filter(), store_page(paging));
        self.store
            .read_tx("control.events.list_of_project", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    Ok(api_page(events::list_of_project(tx, &witness, filter, page).await?))
                })
            })
            .await
    }

    /// One event of an organization.
    ///
    /// # Errors
    /// `EVENT_NOT_FOUND`, `ORG_NOT_FOUND`, and the store's.
    pub async fn get_org_event(
        &self,
        caller: &Caller,
        org_id: OrgId,
        id: EventId,
    ) -> Result<Event, ControlError> {
        let witness = &org(&caller.principal, Action::OrgRead, org_id)?;
        self.store
            .read_tx("control.events.get_of_org", |tx| {
                Box::pin(events::get_of_org(tx, witness, id))
            })
            .await
            .map_err(|error| missing_event(error, id))
    }

    /// One event of a project.
    ///
    /// # Errors
    /// `EVENT_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_project_event(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        id: EventId,
    ) -> Result<Event, ControlError> {
        self.store
            .read_tx("control.events.get_of_project", |tx| {
                Box::pin(async move {
                    let principal = &caller.principal;
                    let witness =
                        project_in(tx, principal, Action::ProjectRead, project_id).await?;
                    let event = events::get_of_project(tx, &witness, id).await;
                    event.map_err(|error| missing_event(error, id))
                })
            })
            .await
    }
}

fn missing_event(error: StoreError, id: EventId) -> ControlError {
    match error {
        StoreError::Missing { .. } => {
            let detail = format!("No event with ID {id} exists.");
            Problem::new(ErrorCode::EventNotFound, detail).with(id.to_string()).into()
        }
        other => other.into(),
    }
}
