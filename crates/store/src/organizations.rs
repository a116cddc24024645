//! Organizations and their settings.
//!
//! Table `organizations`: one row each, settings included; `name_folded` is the name in lower case,
//! for searches. Keys, service accounts, tokens, memberships and roles refer to it and go with it;
//! projects refer to it and stand in the way.

use portolan_auth::{Authorized, Instance, OrgScope, Principal};
use portolan_model::{OrgId, Organization};
use sqlx::AssertSqlSafe;

use crate::{FromRow, Listed, Page, Row, StoreError, ToValue, Tx, args, in_list};

/// Settings of an organization (schema `OrganizationSettings` of the public Atlas OpenAPI).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgSettings {
    /// `apiAccessListRequired`.
    pub api_access_list_required: bool,
    /// `multiFactorAuthRequired`.
    pub multi_factor_auth_required: bool,
    /// `restrictEmployeeAccess`.
    pub restrict_employee_access: bool,
    /// `genAIFeaturesEnabled`.
    pub gen_ai_features_enabled: bool,
    /// `streamsCrossGroupEnabled`.
    pub streams_cross_group_enabled: bool,
    /// `maxServiceAccountSecretValidityInHours`.
    pub secret_validity_hours_max: Option<i64>,
    /// `securityContact`.
    pub security_contact: Option<String>,
    /// `operationsContact`.
    pub operations_contact: Option<String>,
    /// `customSessionTimeouts.absoluteSessionTimeoutInSeconds`.
    pub session_absolute_s: Option<i64>,
    /// `customSessionTimeouts.idleSessionTimeoutInSeconds`.
    pub session_idle_s: Option<i64>,
}

impl Default for OrgSettings {
    /// What Atlas documents as defaults; the access list is not required.
    fn default() -> Self {
        Self {
            api_access_list_required: false,
            multi_factor_auth_required: false,
            restrict_employee_access: false,
            gen_ai_features_enabled: true,
            streams_cross_group_enabled: false,
            secret_validity_hours_max: None,
            security_contact: None,
            operations_contact: None,
            session_absolute_s: None,
            session_idle_s: None,
        }
    }
}

impl FromRow for OrgSettings {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            api_access_list_required: row.flag("api_access_list_required")?,
            multi_factor_auth_required: row.flag("multi_factor_auth_required")?,
            restrict_employee_access: row.flag("restrict_employee_access")?,
            gen_ai_features_enabled: row.flag("gen_ai_features_enabled")?,
            streams_cross_group_enabled: row.flag("streams_cross_group_enabled")?,
            secret_validity_hours_max: row.opt_int("secret_validity_hours_max")?,
            security_contact: row.opt_text("security_contact")?,
            operations_contact: row.opt_text("operations_contact")?,
            session_absolute_s: row.opt_int("session_absolute_s")?,
            session_idle_s: row.opt_int("session_idle_s")?,
        })
    }
}

impl FromRow for Organization {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse("id")?,
            name: row.text("name")?,
            skip_default_alerts_settings: row.flag("skip_default_alerts_settings")?,
            api_access_list_required: row.flag("api_access_list_required")?,
            created_at: row.int("created_at")?,
        })
    }
}

const COLUMNS: &str =
    "id, name, skip_default_alerts_settings, api_access_list_required, created_at";

/// Makes an organization with default settings. There is no tenant yet that could have allowed it.
///
/// # Errors
/// The database's.
pub async fn insert(
    tx: &mut Tx<'_>,
    _authorized: &Authorized<Instance>,
    organization: &Organization,
) -> Result<(), StoreError> {
    let settings = OrgSettings::default();
    tx.execute(
        "INSERT INTO organizations (id, name, name_folded, skip_default_alerts_settings, \
         created_at, api_access_list_required, multi_factor_auth_required, \
         restrict_employee_access, gen_ai_features_enabled, streams_cross_group_enabled) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            organization.id,
            organization.name,
            organization.name.to_lowercase(),
            organization.skip_default_alerts_settings,
            organization.created_at,
            organization.api_access_list_required,
            settings.multi_factor_auth_required,
            settings.restrict_employee_access,
            settings.gen_ai_features_enabled,
            settings.streams_cross_group_enabled,
        ],
    )
    .await?;
    Ok(())
}

/// Whether it exists. For telling 404 from the rest before anybody is authorized.
///
/// # Errors
/// The database's.
pub async fn exists(tx: &mut Tx<'_>, org_id: OrgId) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM organizations WHERE id = $1";
    Ok(tx.count(sql, args![org_id]).await? > 0)
}

/// Whether there is any: a bootstrap makes only the first.
///
/// # Errors
/// The database's.
pub async fn any_exists(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.count("SELECT COUNT(*) FROM organizations", args![]).await? > 0)
}

/// The organization.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn get(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<Organization, StoreError> {
    let sql = AssertSqlSafe(format!("SELECT {COLUMNS} FROM organizations WHERE id = $1"));
    tx.fetch_one(sql, args![authorized.org_id()], "organization").await
}

/// The organizations in which a caller has a role, oldest first; `name_contains` ignores case.
///
/// # Errors
/// The database's.
pub async fn list_visible(
    tx: &mut Tx<'_>,
    principal: &Principal,
    name_contains: Option<&str>,
    page: Page,
) -> Result<Listed<Organization>, StoreError> {
    let mut ids: Vec<OrgId> = principal.grants.orgs.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut values = args![like_pattern(name_contains)];
    values.extend(ids.iter().map(ToValue::to_value));
    let tail = format!(
        "FROM organizations WHERE name_folded LIKE $1 ESCAPE '\\' AND id IN {}",
        in_list(1, ids.len())
    );
    tx.fetch_page(COLUMNS, &tail, "created_at, id", values, page).await
}

/// A LIKE pattern for texts that contain this one; everything for `None`.
pub(crate) fn like_pattern(contained: Option<&str>) -> String {
    let mut pattern = String::from("%");
    for character in contained.unwrap_or_default().to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    if pattern.len() > 1 {
        pattern.push('%');
    }
    pattern
}

/// Changes name and alert default.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn update(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    name: &str,
    skip_default_alerts_settings: bool,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE organizations SET name = $1, name_folded = $2, \
         skip_default_alerts_settings = $3 WHERE id = $4",
        args![name, name.to_lowercase(), skip_default_alerts_settings, authorized.org_id()],
        "organization",
    )
    .await
}

/// Its settings.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn settings(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
) -> Result<OrgSettings, StoreError> {
    let sql = "SELECT * FROM organizations WHERE id = $1";
    tx.fetch_one(sql, args![authorized.org_id()], "organization").await
}

/// Replaces its settings.
///
/// # Errors
/// [`StoreError::Missing`], and the database's.
pub async fn update_settings(
    tx: &mut Tx<'_>,
    authorized: &Authorized<OrgScope>,
    settings: &OrgSettings,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE organizations SET api_access_list_required = $1, \
         multi_factor_auth_required = $2, restrict_employee_access = $3, \
         gen_ai_features_enabled = $4, streams_cross_group_enabled = $5, \
         secret_validity_hours_max = $6, security_contact = $7, operations_contact = $8, \
         session_absolute_s = $9, session_idle_s = $10 WHERE id = $11",
        args![
            settings.api_access_list_required,
            settings.multi_factor_auth_required,
            settings.restrict_employee_access,
            settings.gen_ai_features_enabled,
            settings.streams_cross_group_enabled,
            settings.secret_validity_hours_max,
            settings.security_contact,
            settings.operations_contact,
            settings.session_absolute_s,
            settings.session_idle_s,
            authorized.org_id(),
        ],
        "organization",
    )
    .await
}

/// Deletes it with its keys, service accounts, secrets, tokens, memberships and roles: from the
/// commit on none of them works.
///
/// # Errors
/// [`StoreError::Referenced`] while it has projects, [`StoreError::Missing`], and the database's.
pub async fn delete(tx: &mut Tx<'_>, authorized: &Authorized<OrgScope>) -> Result<(), StoreError> {
    let sql = "DELETE FROM organizations WHERE id = $1";
    tx.execute_one(sql, args![authorized.org_id()], "organization").await
}

#[cfg(test)]
mod tests;
