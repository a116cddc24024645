//! The switches of a project, and `managedSlowMs`, which is one of them by another route.

use portolan_auth::Action;
use portolan_model::{ProjectId, ProjectSwitch};
use portolan_store::{Tx, project_settings};

use crate::access::project_in;
use crate::{Caller, Control, ControlError, trail};

impl Control {
    /// The settings, in the order of [`ProjectSwitch::SETTINGS`].
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn project_settings(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<Vec<bool>, ControlError> {
        self.project_switches(caller, project_id, &ProjectSwitch::SETTINGS).await
    }

    /// Whether the threshold of slow operations is managed.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn managed_slow_ms(
        &self,
        caller: &Caller,
        project_id: ProjectId,
    ) -> Result<bool, ControlError> {
        let read = self.project_switches(caller, project_id, &[ProjectSwitch::ManagedSlowMs]);
        Ok(read.await? == [true])
    }

    async fn project_switches(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        wanted: &[ProjectSwitch],
    ) -> Result<Vec<bool>, ControlError> {
        self.store
            .read_tx("control.project_settings.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    Ok(project_settings::switches(tx, &witness, wanted).await?)
                })
            })
            .await
    }

    /// Sets switches, and gives back all settings.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn set_project_switches(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        named: Vec<(ProjectSwitch, bool)>,
    ) -> Result<Vec<bool>, ControlError> {
        let named = &named;
        self.store
            .run_tx("control.project_settings.set", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectUpdate;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    for (switch, enabled) in named {
                        let old = project_settings::switches(tx, &witness, &[*switch]).await?;
                        project_settings::set_switch(tx, &witness, *switch, *enabled).await?;
                        if old != [*enabled] {
                            note(tx, caller, project_id, *switch, *enabled).await?;
                        }
                    }
                    let all = &ProjectSwitch::SETTINGS;
                    Ok(project_settings::switches(tx, &witness, all).await?)
                })
            })
            .await
    }
}

/// The service has event types for some of the switches only.
async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    project_id: ProjectId,
    switch: ProjectSwitch,
    enabled: bool,
) -> Result<(), ControlError> {
    let event = match switch {
        ProjectSwitch::DataExplorer if enabled => "DATA_EXPLORER_ENABLED",
        ProjectSwitch::DataExplorer => "DATA_EXPLORER_DISABLED",
        ProjectSwitch::DataValidation => "PROJECT_ENABLE_DATA_VALIDATION_UPDATED",
        ProjectSwitch::DatabaseStatistics => "PROJECT_COLLECT_DATABASE_STATISTICS_UPDATED",
        ProjectSwitch::ExtendedStorageSizes => "PROJECT_ENABLE_EXTENDED_STORAGE_SIZES_UPDATED",
        _ => "GROUP_SETTING_CHANGED",
    };
    let setting = ("setting", switch.as_str());
    Ok(trail::note_in_project(tx, caller, project_id, event, setting).await?)
}
