//! The stage `$changeStream`: its options, and which stages may follow it.
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStream/>

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_wire::type_name;

use super::token::{Given, Place};
use crate::commands::fields::Statement;
use crate::error::{Failure, codes, refuse};

/// Stages that may follow `$changeStream`.
const STAGES: &[&str] = &[
    "$addFields",
    "$match",
    "$project",
    "$redact",
    "$replaceRoot",
    "$replaceWith",
    "$set",
    "$unset",
];
const SPLIT: &str = "$changeStreamSplitLargeEvent";
/// Refusals to which MongoDB gives numbers and no names.
const SEVERAL_STARTS: i32 = 40_674;
const SPLIT_NOT_LAST: i32 = 7_182_802;

/// Which documents events carry beside what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    Off,
    /// As the document is when the event is read.
    Lookup,
    WhenAvailable,
    Required,
}

/// The options of the stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) after: Image,
    pub(crate) before: Image,
    pub(crate) expanded: bool,
    pub(crate) whole_cluster: bool,
    /// Where to begin; now if absent.
    pub(crate) start: Option<Place>,
}

impl Spec {
    pub(crate) fn parse(stage: &RawDocument) -> Result<Self, Failure> {
        let document = match stage.get("$changeStream")? {
            Some(RawBsonRef::Document(document)) => document,
            other => {
                let found = other.map_or("missing", |value| type_name(&value));
                let message = format!("$changeStream must take a nested object, not {found}");
                return Err(refuse(codes::FAILED_TO_PARSE, message));
            }
        };
        let options = Statement { place: "$changeStream", document };
        options.only(&[
            "fullDocument",
            "fullDocumentBeforeChange",
            "resumeAfter",
            "startAfter",
            "startAtOperationTime",
            "allChangesForCluster",
            "showExpandedEvents",
            "showSystemEvents",
        ])?;
        Ok(Self {
            after: image(options, "fullDocument", ("default", Some("updateLookup")))?,
            before: image(options, "fullDocumentBeforeChange", ("off", None))?,
            expanded: options.flag("showExpandedEvents")?,
            whole_cluster: options.flag("allChangesForCluster")?,
            start: start(options)?,
        })
    }
}

fn image(
    options: Statement<'_>,
    field: &str,
    (off, lookup): (&str, Option<&str>),
) -> Result<Image, Failure> {
    match options.get(field)? {
        None => Ok(Image::Off),
        Some(RawBsonRef::String(name)) if name == off => Ok(Image::Off),
        Some(RawBsonRef::String(name)) if Some(name) == lookup => Ok(Image::Lookup),
        Some(RawBsonRef::String("whenAvailable")) => Ok(Image::WhenAvailable),
        Some(RawBsonRef::String("required")) => Ok(Image::Required),
        Some(RawBsonRef::String(name)) => {
            let message = format!(
                "Enumeration value '{name}' for field '$changeStream.{field}' is not a valid value."
            );
            Err(refuse(codes::BAD_VALUE, message))
        }
        Some(other) => Err(options.mismatch(field, "string", &other)),
    }
}

fn start(options: Statement<'_>) -> Result<Option<Place>, Failure> {
    let resume = options.document("resumeAfter")?;
    let after = options.document("startAfter")?;
    let time = options.get("startAtOperationTime")?;
    let named = [resume.is_some(), after.is_some(), time.is_some()];
    if named.iter().filter(|named| **named).count() > 1 {
        let message = "Only one type of resume option is allowed, but multiple were found.";
        return Err(refuse(SEVERAL_STARTS, message));
    }
    if let Some(token) = resume {
        let place = Place::parse(token)?;
        if place.given == Given::Invalidate {
            let message = "Attempting to resume a change stream using 'resumeAfter' is not \
                           allowed from an invalidate notification.";
            return Err(refuse(codes::INVALID_RESUME_TOKEN, message));
        }
        return Ok(Some(place));
    }
    match (after, time) {
        (Some(token), _) => Place::parse(token).map(Some),
        (None, Some(RawBsonRef::Timestamp(time))) => {
            Ok(Some(Place::before(u64::from(time.time) << 32 | u64::from(time.increment))))
        }
        (None, Some(other)) => Err(options.mismatch("startAtOperationTime", "timestamp", &other)),
        (None, None) => Ok(None),
    }
}

/// Takes `$changeStreamSplitLargeEvent` off the end of the stages; says whether it was there.
pub(crate) fn take_split(stages: &mut Vec<RawDocumentBuf>) -> Result<bool, Failure> {
    let position = stages.iter().position(|stage| first_name(stage) == SPLIT);
    match position {
        None => Ok(false),
        Some(position) if position + 1 == stages.len() => {
            stages.pop();
            Ok(true)
        }
        Some(_) => {
            let message = format!("{SPLIT} must be the last stage in the pipeline");
            Err(refuse(SPLIT_NOT_LAST, message))
        }
    }
}

/// Checks the stages behind `$changeStream`, which exist.
pub(crate) fn check_following(stages: &[RawDocumentBuf]) -> Result<(), Failure> {
    match stages.iter().map(|stage| first_name(stage)).find(|name| !STAGES.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} is not permitted in a $changeStream pipeline");
            Err(refuse(codes::ILLEGAL_OPERATION, message))
        }
    }
}

/// The name of a stage; empty for what is none.
pub(crate) fn first_name(stage: &RawDocument) -> &str {
    stage.iter().next().and_then(Result::ok).map_or("", |(name, _)| name.as_str())
}
