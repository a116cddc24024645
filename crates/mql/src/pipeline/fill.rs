//! `$fill`: what is missing or null gets a value, by an expression or from the documents around it. It is
//! written as the stages that do the work: `$setWindowFields` for what needs an order, and `$addFields`.

use bson::raw::{CStr, CString};
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::Stage;
use super::parse::computed;
use super::window::WindowFields;
use crate::{Context, MqlError, Result};

const FIELDS: [&str; 4] = ["partitionBy", "partitionByFields", "sortBy", "output"];
/// Numbers of refusals that MongoDB gives no names.
const NO_SORT: i32 = 6_050_202;
const TWO_PARTITIONS: i32 = 6_050_204;

/// The stages that a `$fill` stands for.
pub(super) fn stages(spec: &RawDocument, context: &Context) -> Result<Vec<Stage>> {
    for field in spec {
        let (name, _) = field?;
        if !FIELDS.contains(&name.as_str()) {
            let message = format!("BSON field '$fill.{name}' is an unknown field.");
            return Err(MqlError::new(40415, message));
        }
    }
    let Some(RawBsonRef::Document(output)) = spec.get("output")? else {
        let message = "BSON field '$fill.output' is missing but a required field";
        return Err(MqlError::new(40414, message));
    };
    let (mut ordered, mut plain) = (RawDocumentBuf::new(), RawDocumentBuf::new());
    for field in output {
        let (name, how) = field?;
        let how = how.as_document().ok_or_else(|| wrong("each output must be an object"))?;
        match one(how)? {
            How::Value(value) => plain.append(name, or_else(name, value)),
            How::Method(operator) => {
                let mut method = RawDocumentBuf::new();
                method.append(operator, format!("${name}"));
                ordered.append(name, method);
            }
        }
    }
    let mut stages = Vec::new();
    if !ordered.is_empty() {
        let window = window(spec, ordered)?;
        stages.push(Stage::WindowFields(Box::new(WindowFields::parse(&window, context)?)));
    }
    if !plain.is_empty() {
        let plain = RawBson::Document(plain);
        stages.push(Stage::AddFields(computed("$fill", plain.as_raw_bson_ref(), context)?));
    }
    if stages.is_empty() { Err(wrong("there must be an output")) } else { Ok(stages) }
}

fn wrong(what: &str) -> MqlError {
    MqlError::failed_to_parse(format!("$fill: {what}"))
}

/// What fills a field.
enum How<'s> {
    Value(RawBsonRef<'s>),
    /// The operator of a window that does it.
    Method(&'static CStr),
}

fn one(how: &RawDocument) -> Result<How<'_>> {
    let mut parts = how.iter();
    let (Some(first), None) = (parts.next(), parts.next()) else {
        return Err(wrong("an output has either 'value' or 'method'"));
    };
    match first? {
        (name, value) if name.as_str() == "value" => Ok(How::Value(value)),
        (name, RawBsonRef::String("linear")) if name.as_str() == "method" => {
            Ok(How::Method(bson::raw::cstr!("$linearFill")))
        }
        (name, RawBsonRef::String("locf")) if name.as_str() == "method" => {
            Ok(How::Method(bson::raw::cstr!("$locf")))
        }
        _ => Err(wrong("an output has a 'value', or the method 'linear' or 'locf'")),
    }
}

fn or_else(name: &CStr, value: RawBsonRef<'_>) -> RawDocumentBuf {
    let mut either = RawArrayBuf::new();
    either.push(format!("${name}"));
    either.push(value);
    rawdoc! { "$ifNull": either }
}

/// The `$setWindowFields` for the outputs that need an order.
fn window(spec: &RawDocument, output: RawDocumentBuf) -> Result<RawDocumentBuf> {
    let Some(sort) = spec.get("sortBy")? else {
        return Err(MqlError::new(NO_SORT, "$fill needs 'sortBy' for its methods"));
    };
    let mut window = RawDocumentBuf::new();
    match (spec.get("partitionBy")?, spec.get("partitionByFields")?) {
        (Some(_), Some(_)) => {
            let message = "$fill takes 'partitionBy' or 'partitionByFields', not both";
            return Err(MqlError::new(TWO_PARTITIONS, message));
        }
        (Some(by), None) => window.append(bson::raw::cstr!("partitionBy"), by),
        (None, Some(fields)) => {
            window.append(bson::raw::cstr!("partitionBy"), together(fields)?);
        }
        (None, None) => {}
    }
    window.append(bson::raw::cstr!("sortBy"), sort);
    window.append(bson::raw::cstr!("output"), output);
    Ok(window)
}

/// An expression whose value is the values of several fields.
fn together(fields: RawBsonRef<'_>) -> Result<RawDocumentBuf> {
    let strings = || wrong("'partitionByFields' must be an array of strings");
    let mut all = RawDocumentBuf::new();
    for (number, field) in fields.as_array().ok_or_else(strings)?.into_iter().enumerate() {
        let field = field?.as_str().ok_or_else(strings)?;
        let name = CString::try_from(format!("f{number}")).map_err(|_| strings())?;
        all.append(&name, format!("${field}"));
    }
    Ok(all)
}
