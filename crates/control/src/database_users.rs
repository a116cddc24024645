//! Database users of a project: who may log in to its clusters and read endpoints.

use portolan_api_types::database_user::{DatabaseUserDraft, DatabaseUserPatch, Password};
use portolan_api_types::{ErrorCode, Page, Paging, Problem};
use portolan_auth::{Action, Authorized, ProjectScope, scram};
use portolan_model::{DatabaseUser, EpochMs, ProjectId, ProjectLimit};
use portolan_security::SecretString;
use portolan_security::scram::ScramCredentials;
use portolan_store::events::EventScope;
use portolan_store::{Tx, database_users};

use crate::access::project_in;
use crate::paging::{api_page, store_page};
use crate::{Caller, Control, ControlError, trail};

/// A temporary user lives a week at most (documentation, "Configure Database Users").
const TEMPORARY_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;

impl Control {
    /// The users of a project by name.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, and the store's.
    pub async fn list_database_users(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        paging: Paging,
    ) -> Result<Page<DatabaseUser>, ControlError> {
        self.store
            .read_tx("control.database_users.list", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let page = store_page(paging);
                    Ok(api_page(database_users::list(tx, &witness, page).await?))
                })
            })
            .await
    }

    /// One user.
    ///
    /// # Errors
    /// `USERNAME_NOT_FOUND`, `GROUP_NOT_FOUND`, and the store's.
    pub async fn get_database_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        database: &str,
        username: &str,
    ) -> Result<DatabaseUser, ControlError> {
        self.store
            .read_tx("control.database_users.get", |tx| {
                Box::pin(async move {
                    let action = Action::ProjectRead;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    user_in(tx, &witness, database, username).await
                })
            })
            .await
    }

    /// Creates a user. Of its password only SCRAM secrets are kept.
    ///
    /// # Errors
    /// `USER_ALREADY_EXISTS`, a 400 that names the field, 401 without the role, and the store's.
    pub async fn create_database_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        draft: DatabaseUserDraft,
    ) -> Result<DatabaseUser, ControlError> {
        self.check_end(draft.delete_after)?;
        let credentials = &self.derive(&draft.username, &draft.password).await?;
        let user = &DatabaseUser {
            project_id,
            database: draft.database,
            username: draft.username,
            roles: draft.roles,
            scopes: draft.scopes,
            labels: draft.labels,
            description: draft.description,
            delete_after: draft.delete_after,
            created_at: self.runtime.now_ms(),
        };
        self.store
            .run_tx("control.database_users.create", |tx| {
                Box::pin(async move {
                    let action = Action::DatabaseUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    self.check_room_for_database_user(tx, &witness, user).await?;
                    database_users::insert(tx, &witness, user, credentials).await?;
                    note(tx, caller, user, "MONGODB_USER_ADDED").await
                })
            })
            .await?;
        Ok(user.clone())
    }

    async fn check_room_for_database_user(
        &self,
        tx: &mut Tx<'_>,
        witness: &Authorized<ProjectScope>,
        user: &DatabaseUser,
    ) -> Result<(), ControlError> {
        let name = &user.username;
        if database_users::fetch(tx, witness, &user.database, name).await?.is_some() {
            let detail = format!("A database user named {name} already exists.");
            let problem = Problem::new(ErrorCode::UserAlreadyExists, detail);
            return Err(problem.with(name.clone()).into());
        }
        self.check_room(tx, witness, ProjectLimit::DatabaseUsers, "database users").await
    }

    /// Changes a user; what is not given stays.
    ///
    /// # Errors
    /// `USERNAME_NOT_FOUND`, `ATTRIBUTE_READ_ONLY` for another name or database, a 400 that names the
    /// field, 401 without the role, and the store's.
    pub async fn update_database_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        database: &str,
        username: &str,
        patch: DatabaseUserPatch,
    ) -> Result<DatabaseUser, ControlError> {
        refuse_rename(&patch, database, username)?;
        self.check_end(patch.delete_after)?;
        let credentials = match &patch.password {
            Some(password) => Some(self.derive(username, password).await?),
            None => None,
        };
        let (patch, credentials) = (&patch, credentials.as_ref());
        self.store
            .run_tx("control.database_users.update", |tx| {
                Box::pin(async move {
                    let action = Action::DatabaseUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let old = user_in(tx, &witness, database, username).await?;
                    let user = merged(old, patch);
                    database_users::update(tx, &witness, &user, credentials).await?;
                    note(tx, caller, &user, "MONGODB_USER_UPDATED").await?;
                    Ok::<_, ControlError>(user)
                })
            })
            .await
    }

    /// Deletes a user. It can no longer log in; connections that it has opened lose their rights within two
    /// seconds (`wire` reads accounts again).
    ///
    /// # Errors
    /// `USERNAME_NOT_FOUND`, 401 without the role, and the store's.
    pub async fn delete_database_user(
        &self,
        caller: &Caller,
        project_id: ProjectId,
        database: &str,
        username: &str,
    ) -> Result<(), ControlError> {
        self.store
            .run_tx("control.database_users.delete", |tx| {
                Box::pin(async move {
                    let action = Action::DatabaseUsersWrite;
                    let witness = project_in(tx, &caller.principal, action, project_id).await?;
                    let user = user_in(tx, &witness, database, username).await?;
                    database_users::remove(tx, &witness, database, username).await?;
                    note(tx, caller, &user, "MONGODB_USER_DELETED").await
                })
            })
            .await
    }

    /// Derivation is slow on purpose, so it has a thread of its own.
    async fn derive(
        &self,
        username: &str,
        password: &Password,
    ) -> Result<ScramCredentials, ControlError> {
        let (runtime, username) = (self.runtime.clone(), username.to_owned());
        let password = SecretString::new(password.0.clone());
        let derived = self
            .runtime
            .spawn_blocking(move || scram::derive(&runtime, &username, &password))
            .await
            .map_err(ControlError::internal)?;
        Ok(derived.map_err(|refused| Problem::validation("password", refused.to_string()))?)
    }

    fn check_end(&self, delete_after: Option<EpochMs>) -> Result<(), ControlError> {
        let Some(end) = delete_after else { return Ok(()) };
        let now_ms = self.runtime.now_ms();
        if end > now_ms && end <= now_ms + TEMPORARY_MS_MAX {
            return Ok(());
        }
        let rule = "must lie in the future, at most one week from now";
        Err(Problem::validation("deleteAfterDate", rule).into())
    }
}

async fn user_in(
    tx: &mut Tx<'_>,
    witness: &Authorized<ProjectScope>,
    database: &str,
    username: &str,
) -> Result<DatabaseUser, ControlError> {
    let found = database_users::fetch(tx, witness, database, username).await?;
    found.ok_or_else(|| {
        let detail = format!("No user with username {username} exists.");
        Problem::new(ErrorCode::UsernameNotFound, detail).with(username).into()
    })
}

fn refuse_rename(
    patch: &DatabaseUserPatch,
    database: &str,
    username: &str,
) -> Result<(), ControlError> {
    for (field, given, stored) in
        [("databaseName", &patch.database, database), ("username", &patch.username, username)]
    {
        if given.as_deref().is_some_and(|given| given != stored) {
            let detail = format!("The attribute {field} is read-only.");
            let problem = Problem::new(ErrorCode::AttributeReadOnly, detail).with(field);
            return Err(problem.at(field, "cannot be changed").into());
        }
    }
    Ok(())
}

fn merged(old: DatabaseUser, patch: &DatabaseUserPatch) -> DatabaseUser {
    DatabaseUser {
        roles: patch.roles.clone().unwrap_or(old.roles),
        scopes: patch.scopes.clone().unwrap_or(old.scopes),
        labels: patch.labels.clone().unwrap_or(old.labels),
        description: patch.description.clone().or(old.description),
        delete_after: patch.delete_after.or(old.delete_after),
        ..old
    }
}

async fn note(
    tx: &mut Tx<'_>,
    caller: &Caller,
    user: &DatabaseUser,
    type_name: &str,
) -> Result<(), ControlError> {
    let target = [("dbUserUsername", user.username.clone())];
    let scope = EventScope::Project(user.project_id);
    Ok(trail::note(tx, caller, scope, type_name, &target).await?)
}

#[cfg(test)]
mod tests;
