//! From the bodies of create and update to checked values.

mod criteria;
mod partitions;
mod schedule;

use portolan_model::{
    CloudProvider, CollectionType, Criteria, DataProcessRegion, DateFormat, InvalidNamespace,
    Namespace,
};

use super::{ArchiveDraft, ArchivePatch, EXPIRY_DAYS_MAX, EXPIRY_DAYS_MIN, FixedFields};
use crate::{ErrorCode, Fields, Problem};

/// Databases that servers keep for themselves, and the one that Portolan keeps its fences in.
const RESERVED_DATABASES: [&str; 4] = ["admin", "local", "config", "portolan"];

/// What clients may write as `state`; the wire knows two vocabularies.
const STATES: [&str; 8] =
    ["PENDING", "ACTIVE", "ARCHIVING", "IDLE", "PAUSING", "PAUSED", "DELETED", "ORPHANED"];

/// Reads `BackupOnlineArchiveCreate`.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_create(mut fields: Fields) -> Result<ArchiveDraft, Problem> {
    fields.ignore(&["_id", "clusterName", "dataSetName", "groupId", "links", "state"]);
    let namespace = namespace(&mut fields)?;
    let collection_type = collection_type(&mut fields)?.unwrap_or_default();
    let criteria = criteria::create(&mut fields)?;
    let partition_fields = partitions::create(&mut fields, &criteria)?;
    let draft = ArchiveDraft {
        namespace,
        collection_type,
        criteria,
        partition_fields,
        expire_after_days: expiration(&mut fields)?.flatten(),
        region: region(&mut fields)?,
        schedule: schedule::read(&mut fields)?.unwrap_or_default(),
        paused: fields.bool("paused")?.unwrap_or_default(),
    };
    fields.finish()?;
    check_time_series(&draft)?;
    Ok(draft)
}

/// Reads `BackupOnlineArchive` as a partial update.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn parse_update(mut fields: Fields) -> Result<ArchivePatch, Problem> {
    fields.ignore(&["dataSetName", "links"]);
    let known = |text: &str| STATES.contains(&text).then(|| text.to_owned());
    let patch = ArchivePatch {
        criteria: criteria::update(&mut fields)?,
        expire_after_days: expiration(&mut fields)?,
        schedule: schedule::read(&mut fields)?,
        paused: fields.bool("paused")?,
        state: fields.one_of("state", known)?,
        fixed: FixedFields {
            id: fields.string("_id")?,
            cluster_name: fields.string("clusterName")?,
            collection: fields.string("collName")?,
            collection_type: collection_type(&mut fields)?,
            database: fields.string("dbName")?,
            project_id: fields.string("groupId")?,
            partition_fields: partitions::read(&mut fields)?,
            region: region(&mut fields)?,
        },
    };
    fields.finish()?;
    Ok(patch)
}

fn namespace(fields: &mut Fields) -> Result<Namespace, Problem> {
    let database = fields.required_text("dbName", 1, 64)?;
    let collection = fields.required_string("collName")?;
    let namespace = Namespace::new(&database, &collection).map_err(|refused| {
        let (code, field) = match refused {
            InvalidNamespace::Database(_) => (ErrorCode::InvalidDatabaseName, "dbName"),
            InvalidNamespace::Collection(_) | InvalidNamespace::TooLong(_) => {
                (ErrorCode::InvalidCollectionName, "collName")
            }
        };
        invalid_name(code, field, &refused.to_string())
    })?;
    check_reserved(&namespace)?;
    Ok(namespace)
}

fn invalid_name(code: ErrorCode, field: &str, rule: &str) -> Problem {
    Problem::new(code, format!("Invalid {field}: {rule}.")).with(field).at(field, rule)
}

/// System collections and the files of the default GridFS bucket would break when parts of them went.
fn check_reserved(namespace: &Namespace) -> Result<(), Problem> {
    if RESERVED_DATABASES.contains(&namespace.database.as_str()) {
        let rule = format!("collections of database {} cannot be archived", namespace.database);
        return Err(invalid_name(ErrorCode::InvalidDatabaseName, "dbName", &rule));
    }
    let collection = namespace.collection.as_str();
    if collection.starts_with("system.") {
        let rule = "system collections cannot be archived";
        return Err(invalid_name(ErrorCode::InvalidCollectionName, "collName", rule));
    }
    if matches!(collection, "fs.files" | "fs.chunks") {
        let rule = "GridFS collections cannot be archived";
        return Err(invalid_name(ErrorCode::InvalidCollectionName, "collName", rule));
    }
    Ok(())
}

fn collection_type(fields: &mut Fields) -> Result<Option<CollectionType>, Problem> {
    fields.one_of("collectionType", |text| match text {
        "STANDARD" => Some(CollectionType::Standard),
        "TIMESERIES" => Some(CollectionType::TimeSeries),
        _ => None,
    })
}

/// `Some(None)` is the empty rule, which means none (Terraform removes a rule so).
fn expiration(fields: &mut Fields) -> Result<Option<Option<i32>>, Problem> {
    let Some(mut rule) = fields.object("dataExpirationRule")? else { return Ok(None) };
    let days = rule.int("expireAfterDays", EXPIRY_DAYS_MIN, EXPIRY_DAYS_MAX)?;
    rule.finish()?;
    Ok(Some(days.and_then(|days| i32::try_from(days).ok())))
}

fn region(fields: &mut Fields) -> Result<Option<DataProcessRegion>, Problem> {
    let Some(mut object) = fields.object("dataProcessRegion")? else { return Ok(None) };
    let provider: CloudProvider = object
        .one_of("cloudProvider", |text| text.parse().ok())?
        .ok_or_else(|| object.missing("cloudProvider"))?;
    let region = object.required_string("region")?;
    let path = object.path_of("region");
    object.finish()?;
    if !provider.archive_regions().contains(&region.as_str()) {
        let allowed = provider.archive_regions().join(", ");
        let rule = format!("{region} is no region for archives of {provider}: {allowed}");
        return Err(Problem::invalid_attribute(&path, rule));
    }
    Ok(Some(DataProcessRegion { provider, region }))
}

/// Schema `BackupOnlineArchiveCreate`: a time-series collection takes DATE with ISODATE alone.
fn check_time_series(draft: &ArchiveDraft) -> Result<(), Problem> {
    if draft.collection_type != CollectionType::TimeSeries {
        return Ok(());
    }
    match &draft.criteria {
        Criteria::Date { format: DateFormat::IsoDate, .. } => Ok(()),
        Criteria::Date { .. } => Err(Problem::invalid_attribute(
            "criteria.dateFormat",
            "must be ISODATE for a time-series collection",
        )),
        Criteria::Custom { .. } => Err(Problem::invalid_attribute(
            "criteria.type",
            "must be DATE for a time-series collection",
        )),
    }
}
