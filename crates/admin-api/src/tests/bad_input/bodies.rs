//! Wrong bodies: no JSON, JSON of another form, and each field wrong in each way that its schema knows.

use serde_json::{Value, json};

use super::super::declared::{DOCUMENT, resolved};
use super::super::hostile::malformed;
use super::super::scenario::Request;
use super::{Right, Wrong};

/// Older releases of the Go SDK send a list where the newer ones send an object.
const EITHER_FORM: &[&str] = &["inviteGroupServiceAccount"];

/// Fields that are only the server's where something is made, whatever stands in them, and a client's
/// where it is changed.
const READ_ONLY_HERE: &[(&str, &str)] = &[("createGroupClusterOnlineArchive", "state")];

/// Bodies that are no JSON, or no JSON of the right form.
pub(super) fn no_json(request: &Request<'_>) -> Vec<Wrong> {
    let Some(body) = &request.body else {
        return without_body(request);
    };
    let mut all: Vec<Wrong> = malformed()
        .into_iter()
        .map(|(what, bytes)| with_body(request, what, bytes, Right::Code(400, &["MALFORMED_JSON"])))
        .collect();
    let other = if body.is_array() { json!({}) } else { json!([]) };
    let items = match body {
        Value::Array(_) => vec![other, json!([1]), json!([[]]), json!([null])],
        _ if EITHER_FORM.contains(&request.step.operation) => vec![json!([1]), json!([[]])],
        _ => vec![other, json!([body])],
    };
    let roots = [json!("{}"), json!(1), json!(true), Value::Null];
    all.extend(roots.into_iter().chain(items).map(|root| {
        let right = Right::Code(400, &["INVALID_JSON"]);
        with_body(request, format!("the root {root}"), root.to_string().into_bytes(), right)
    }));
    if schema(request).is_some_and(|schema| schema.get("required").is_some()) {
        all.push(with_body(request, "no body", Vec::new(), Right::Status(&[400])));
    }
    match request.step.refused {
        Some("FEATURE_UNSUPPORTED") => all.into_iter().map(or_unsupported).collect(),
        _ => all,
    }
}

/// What always refuses may do so before it reads.
fn or_unsupported(mut wrong: Wrong) -> Wrong {
    wrong.right = Right::Status(&[400, 403]);
    wrong
}

/// A body where none is wanted is not obeyed, but it must be JSON.
fn without_body(request: &Request<'_>) -> Vec<Wrong> {
    if matches!(request.route.method.as_str(), "GET" | "DELETE") {
        return Vec::new();
    }
    malformed()
        .into_iter()
        .map(|(what, bytes)| with_body(request, what, bytes, Right::Code(400, &["MALFORMED_JSON"])))
        .collect()
}

fn with_body(request: &Request<'_>, what: impl Into<String>, body: Vec<u8>, right: Right) -> Wrong {
    Wrong { body, ..Wrong::of(request, what, right) }
}

/// The schema of the body in the version that the step asks for.
fn schema(request: &Request<'_>) -> Option<Value> {
    let method = request.route.method.as_str().to_ascii_lowercase();
    let content = &DOCUMENT["paths"][request.route.path][method]["requestBody"]["content"];
    let wanted = request.accept().replace("+gzip", "+json");
    let dated = content.as_object()?.iter().filter(|(media, _)| media.as_str() <= wanted.as_str());
    let newest = dated
        .filter(|(media, _)| media.starts_with("application/vnd"))
        .max_by_key(|(media, _)| *media);
    let found = newest.map_or(&content["application/json"], |(_, found)| found);
    Some(resolved(&found["schema"]))
}

/// Each field of the body and of what is in it, wrong in each way.
pub(super) fn fields(request: &Request<'_>) -> Vec<Wrong> {
    let (Some(body), Some(schema)) = (&request.body, schema(request)) else { return Vec::new() };
    let mut places = Vec::new();
    gather(&schema, body, &Place::root(), &mut places);
    let mut all = Vec::new();
    let operation = request.step.operation;
    places.retain(|place| !READ_ONLY_HERE.contains(&(operation, place.path.as_str())));
    for place in &places {
        for (what, value) in place.mistakes() {
            let changed = place.put(body, value).to_string().into_bytes();
            let what = format!("{} {what}", place.path);
            all.push(with_body(request, what, changed, Right::Field(place.path.clone())));
        }
    }
    all
}

/// A field in a body.
#[derive(Debug, Clone)]
struct Place {
    /// Keys and positions from the root.
    steps: Vec<String>,
    /// As errors name it.
    path: String,
    schema: Value,
    required: bool,
    /// Whether it is a name that no schema knows.
    unknown: bool,
}

/// Everything that can be wrong in a body, with the places of the schema that the body has no value for.
fn gather(schema: &Value, value: &Value, at: &Place, places: &mut Vec<Place>) {
    let schema = flat(schema);
    match value {
        Value::Object(map) if schema["properties"].is_object() => {
            let known = schema["properties"].as_object().into_iter().flatten();
            for (name, below) in known {
                let required = schema["required"].as_array().into_iter().flatten();
                let place = Place {
                    required: required.into_iter().any(|needed| needed == name),
                    schema: flat(below),
                    ..at.below(name)
                };
                if let Some(value) = map.get(name) {
                    gather(below, value, &place, places);
                }
                places.push(place);
            }
            places.push(Place { unknown: true, ..at.below("noSuchField") });
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                gather(&schema["items"], first, &at.item(), places);
            }
        }
        _ => {}
    }
}

/// A schema without references and choices: of a choice, the properties of all.
fn flat(schema: &Value) -> Value {
    let schema = resolved(schema);
    let Some(choices) = schema["anyOf"].as_array() else { return schema };
    let choices: Vec<Value> =
        choices.iter().map(flat).filter(|one| one["type"] != "null").collect();
    let mut whole = choices.first().cloned().unwrap_or_default();
    for other in choices.iter().skip(1) {
        for (name, property) in other["properties"].as_object().into_iter().flatten() {
            whole["properties"][name] = property.clone();
        }
    }
    if choices.len() > 1 {
        whole["required"] = json!([]);
    }
    whole["nullable"] = json!(choices.len() < schema["anyOf"].as_array().map_or(0, Vec::len));
    whole
}

impl Place {
    fn root() -> Self {
        let schema = Value::Null;
        Self { steps: Vec::new(), path: String::new(), schema, required: false, unknown: false }
    }

    fn below(&self, name: &str) -> Self {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let steps = self.steps.iter().cloned().chain([name.to_owned()]).collect();
        Self { steps, path, schema: Value::Null, required: false, unknown: false }
    }

    fn item(&self) -> Self {
        let mut place = self.below("0");
        place.path = format!("{}[0]", self.path);
        place
    }

    /// The body with another value here; without one, the place is taken out.
    fn put(&self, body: &Value, value: Option<Value>) -> Value {
        let mut body = body.clone();
        let (last, above) = self.steps.split_last().expect("a field");
        let pointer: String = above.iter().map(|step| format!("/{step}")).collect();
        let parent = body.pointer_mut(&pointer).expect("it is there");
        let parent = parent.as_object_mut().expect("an object");
        match value {
            Some(value) => parent.insert(last.clone(), value),
            None => parent.remove(last),
        };
        body
    }

    fn is(&self, kind: &str) -> bool {
        let of = &self.schema["type"];
        *of == kind || of.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
    }

    /// What is wrong, and the value; none to leave the field out.
    fn mistakes(&self) -> Vec<(String, Option<Value>)> {
        if self.unknown {
            return [json!(1), json!({ "a": [] })]
                .map(|value| ("unknown".to_owned(), Some(value)))
                .into();
        }
        let mut values = self.of_other_types();
        values.extend(self.out_of_range());
        let mut all: Vec<(String, Option<Value>)> = values
            .into_iter()
            .map(|value| (format!("is {}", short(&value)), Some(value)))
            .collect();
        if self.required {
            all.push(("left out".to_owned(), None));
            all.push(("null".to_owned(), Some(Value::Null)));
        }
        all
    }

    fn of_other_types(&self) -> Vec<Value> {
        let (text, object, list) = (json!("x"), json!({ "a": 1 }), json!([1]));
        let kinds = ["string", "integer", "number", "boolean", "array", "object"];
        match kinds.iter().find(|kind| self.is(kind)).copied() {
            Some("string") => vec![json!(1), json!(true), object, list],
            Some("integer") => {
                let floats = [1.5, 1e30, -1e300, -9_223_372_036_854_775_809.0].map(Value::from);
                [vec![text, json!(true), list, json!(9_223_372_036_854_775_808_u64)], floats.into()]
                    .concat()
            }
            Some("number") => vec![text, json!(true), list, object, json!(-1e300)],
            Some("boolean") => vec![json!("true"), json!(1), object, list],
            Some("array") => vec![text, json!(1), object, list, json!([null])],
            Some("object") => vec![text, json!(1), list],
            _ => Vec::new(),
        }
    }

    fn out_of_range(&self) -> Vec<Value> {
        let mut values = Vec::new();
        let number = |name: &str| self.schema[name].as_i64();
        if let Some(min) = number("minimum").and_then(|min| min.checked_sub(1)) {
            values.push(json!(min));
        }
        if let Some(max) = number("maximum").and_then(|max| max.checked_add(1)) {
            values.push(json!(max));
        }
        if let Some(max) = number("maxLength") {
            values.push(json!("x".repeat(usize::try_from(max).expect("a length") + 1)));
        }
        if self.schema["enum"].is_array() {
            values.push(json!("NO_SUCH_VALUE"));
        }
        if self.schema["pattern"].is_string() {
            values.extend([json!("x"), json!("ABCDEFABCDEFABCDEFABCDEF"), json!("a".repeat(25))]);
        }
        if self.is("string") {
            values.push(json!("a\u{0}b"));
        }
        values
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(40).collect()
}
