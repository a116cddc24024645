//! `partitionFields`: how many, which, in which order.

use portolan_model::{Criteria, PartitionField};

use super::super::{
    CUSTOM_PARTITION_FIELDS_MAX, DATE_PARTITION_FIELDS_MAX, PARTITION_FIELD_CHARS_MAX,
};
use crate::{Fields, Problem};

const NAME: &str = "partitionFields";

/// The fields of a new archive. The Atlas CLI sends none when its user named none: then the date
/// field alone is filled in.
pub(super) fn create(
    fields: &mut Fields,
    criteria: &Criteria,
) -> Result<Vec<PartitionField>, Problem> {
    let mut given = read(fields)?.unwrap_or_default();
    given.sort_by_key(|field| field.order);
    let Criteria::Date { field: date_field, .. } = criteria else {
        check_count(&given, CUSTOM_PARTITION_FIELDS_MAX, "CUSTOM")?;
        return Ok(given);
    };
    if given.is_empty() {
        let name = date_field.clone();
        return Ok(vec![PartitionField { name, order: 0, field_type: None }]);
    }
    check_count(&given, DATE_PARTITION_FIELDS_MAX, "DATE")?;
    if !given.iter().any(|field| field.name == *date_field) {
        let rule = format!("must include the date field {date_field}");
        return Err(Problem::invalid_attribute(NAME, rule));
    }
    Ok(given)
}

/// The fields as given, checked one by one and against each other.
pub(super) fn read(fields: &mut Fields) -> Result<Option<Vec<PartitionField>>, Problem> {
    let Some(objects) = fields.objects(NAME)? else { return Ok(None) };
    let mut read: Vec<PartitionField> = Vec::new();
    for (position, mut object) in (0..).zip(objects) {
        let field = one(&mut object, position)?;
        if read.iter().any(|other| other.name == field.name) {
            let path = object.path_of("fieldName");
            return Err(Problem::validation(&path, format!("{} is named twice", field.name)));
        }
        if read.iter().any(|other| other.order == field.order) {
            let path = object.path_of("order");
            return Err(Problem::validation(&path, format!("{} is given twice", field.order)));
        }
        object.finish()?;
        read.push(field);
    }
    Ok(Some(read))
}

fn one(object: &mut Fields, position: i32) -> Result<PartitionField, Problem> {
    // The type is found by the first run; what a client says of it does not count.
    object.ignore(&["fieldType"]);
    let name = object.required_string("fieldName")?;
    check_path(&object.path_of("fieldName"), &name)?;
    let order = object.int32("order", 0, i32::MAX)?.unwrap_or(position);
    Ok(PartitionField { name, order, field_type: None })
}

/// A dotted path that a document can have.
pub(super) fn check_path(at: &str, path: &str) -> Result<(), Problem> {
    let chars = path.chars().count();
    if chars == 0 || chars > PARTITION_FIELD_CHARS_MAX {
        let rule = format!("length must be between 1 and {PARTITION_FIELD_CHARS_MAX} characters");
        return Err(Problem::validation(at, rule));
    }
    let bad =
        path.contains('\0') || path.split('.').any(|part| part.is_empty() || part.starts_with('$'));
    if bad {
        let rule =
            "must be a field path: names separated by dots, none empty, none starting with $";
        return Err(Problem::validation(at, rule));
    }
    Ok(())
}

fn check_count(fields: &[PartitionField], max: usize, kind: &str) -> Result<(), Problem> {
    if fields.len() <= max {
        return Ok(());
    }
    Err(Problem::validation(NAME, format!("{kind} criteria take at most {max} partition fields")))
}
