//! Which rules of a schema a value breaks, in the form that the MongoDB manual shows for failed
//! validations ("Schema Validation", `errInfo.details`).

use bson::raw::cstr;
use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use super::{Demand, Rule, Schema};
use crate::expr::append;
use crate::{Result, types};

impl Schema {
    /// The details of a document that breaks some rule.
    pub(in crate::filter) fn explain(&self, doc: &RawDocument) -> Result<RawDocumentBuf> {
        let mut details = rawdoc! { "operatorName": "$jsonSchema" };
        for (name, note) in &self.notes {
            append(&mut details, name, note.as_str())?;
        }
        let broken = self.broken(RawBsonRef::Document(doc))?;
        details.append(cstr!("schemaRulesNotSatisfied"), broken);
        Ok(details)
    }

    fn broken(&self, value: RawBsonRef<'_>) -> Result<RawArrayBuf> {
        let mut broken = RawArrayBuf::new();
        for rule in &self.rules {
            if !rule.demand.holds(value)? {
                broken.push(rule.explain(value)?);
            }
        }
        Ok(broken)
    }
}

impl Rule {
    fn explain(&self, value: RawBsonRef<'_>) -> Result<RawDocumentBuf> {
        let mut found = rawdoc! { "operatorName": self.name.as_str() };
        if let (Demand::Named(schemas), RawBsonRef::Document(doc)) = (&self.demand, value) {
            found.append(cstr!("propertiesNotSatisfied"), properties(schemas, doc)?);
            return Ok(found);
        }
        let mut specified = RawDocumentBuf::new();
        append(&mut specified, &self.name, &self.specified)?;
        found.append(cstr!("specifiedAs"), specified);
        match (&self.demand, value) {
            (Demand::Required(names), RawBsonRef::Document(doc)) => {
                let mut missing: Vec<&str> = Vec::new();
                for name in names {
                    if doc.get(name)?.is_none() {
                        missing.push(name);
                    }
                }
                missing.sort_unstable();
                let missing: RawArrayBuf = missing.into_iter().collect();
                found.append(cstr!("missingProperties"), missing);
            }
            (Demand::Additional(additional), RawBsonRef::Document(doc)) => {
                let offenders: RawArrayBuf = additional.offenders(doc)?.into_iter().collect();
                found.append(cstr!("additionalProperties"), offenders);
            }
            (demand, value) => {
                found.append(cstr!("reason"), demand.reason());
                found.append(cstr!("consideredValue"), value);
                if matches!(demand, Demand::Types(_)) {
                    found.append(cstr!("consideredType"), types::name_of(value));
                }
            }
        }
        Ok(found)
    }
}

fn properties(schemas: &[(String, Schema)], doc: &RawDocument) -> Result<RawArrayBuf> {
    let mut broken = RawArrayBuf::new();
    for (name, schema) in schemas {
        let Some(value) = doc.get(name)? else { continue };
        if schema.holds(value)? {
            continue;
        }
        let mut property = rawdoc! { "propertyName": name.as_str() };
        for (note, text) in &schema.notes {
            append(&mut property, note, text.as_str())?;
        }
        property.append(cstr!("details"), schema.broken(value)?);
        broken.push(property);
    }
    Ok(broken)
}

impl Demand {
    fn reason(&self) -> &'static str {
        match self {
            Self::Types(_) => "type did not match",
            Self::Enum(_) => "value was not found in enum",
            Self::Bound { .. } => "comparison failed",
            Self::MultipleOf(_) => "considered value is not a multiple of the specified value",
            Self::Length { .. } => "specified string length was not satisfied",
            Self::Pattern(_) => "regular expression did not match",
            Self::Items { .. } => "array did not match specified length",
            Self::UniqueItems => "found a duplicate item",
            Self::Properties { .. } => "specified number of properties was not satisfied",
            Self::OneOf(_) => "not exactly one of the schemas matched",
            _ => "child expression did not match",
        }
    }
}
