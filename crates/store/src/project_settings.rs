//! Switches and limits of projects.
//!
//! Table `project_switches`: a row per switch that somebody set; one without a row has the value of a
//! new project. Table `project_limits`: a row per limit that somebody set.

use portolan_auth::{Authorized, ProjectScope};
use portolan_model::{ProjectLimit, ProjectSwitch};

use crate::{FromRow, Row, StoreError, Tx, args, projects};

struct Stored(String, i64);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.text("name")?, row.int("value")?))
    }
}

/// The value of each of these switches, in their order.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn switches(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    wanted: &[ProjectSwitch],
) -> Result<Vec<bool>, StoreError> {
    projects::require(tx, authorized).await?;
    let sql = "SELECT name, enabled AS value FROM project_switches WHERE project_id = $1";
    let rows: Vec<Stored> = tx.fetch_all(sql, args![authorized.project_id()]).await?;
    let value = |switch: &ProjectSwitch| {
        let set = rows.iter().find(|Stored(name, _)| name == switch.as_str());
        set.map_or(switch.default_value(), |Stored(_, value)| *value != 0)
    };
    Ok(wanted.iter().map(value).collect())
}

/// Sets a switch.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn set_switch(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    switch: ProjectSwitch,
    enabled: bool,
) -> Result<(), StoreError> {
    projects::require(tx, authorized).await?;
    tx.execute(
        "INSERT INTO project_switches (project_id, name, enabled) VALUES ($1, $2, $3) \
         ON CONFLICT (project_id, name) DO UPDATE SET enabled = excluded.enabled",
        args![authorized.project_id(), switch.as_str(), enabled],
    )
    .await?;
    Ok(())
}

/// The limits that were set, by name.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn limits(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
) -> Result<Vec<(ProjectLimit, i64)>, StoreError> {
    projects::require(tx, authorized).await?;
    let sql = "SELECT name, value FROM project_limits WHERE project_id = $1 ORDER BY name";
    let rows: Vec<Stored> = tx.fetch_all(sql, args![authorized.project_id()]).await?;
    let limit = |Stored(name, value): Stored| -> Result<_, StoreError> {
        let limit =
            name.parse::<ProjectLimit>().map_err(|error| StoreError::corrupt("name", error))?;
        Ok((limit, value))
    };
    rows.into_iter().map(limit).collect()
}

/// The value that was set for a limit.
///
/// # Errors
/// The database's.
pub async fn limit(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    limit: ProjectLimit,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT value FROM project_limits WHERE project_id = $1 AND name = $2";
    tx.fetch_optional(sql, args![authorized.project_id(), limit.as_str()]).await
}

/// Sets a limit.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn set_limit(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    limit: ProjectLimit,
    value: i64,
) -> Result<(), StoreError> {
    projects::require(tx, authorized).await?;
    tx.execute(
        "INSERT INTO project_limits (project_id, name, value) VALUES ($1, $2, $3) \
         ON CONFLICT (project_id, name) DO UPDATE SET value = excluded.value",
        args![authorized.project_id(), limit.as_str(), value],
    )
    .await?;
    Ok(())
}

/// Forgets the value that was set for a limit.
///
/// # Errors
/// [`StoreError::Missing`] when the project left the organization, and the database's.
pub async fn clear_limit(
    tx: &mut Tx<'_>,
    authorized: &Authorized<ProjectScope>,
    limit: ProjectLimit,
) -> Result<(), StoreError> {
    projects::require(tx, authorized).await?;
    let sql = "DELETE FROM project_limits WHERE project_id = $1 AND name = $2";
    tx.execute(sql, args![authorized.project_id(), limit.as_str()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
