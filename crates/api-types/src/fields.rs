//! Strict reading of request bodies: each field is taken by name and type, and what is left over is
//! refused by name.
//!
//! Read-only fields are taken and forgotten, because clients send them (the Go SDK serializes
//! required read-only fields with zero values). `null` counts as absent.

use serde_json::{Map, Value};

use crate::error::{ErrorCode, Problem};
use crate::json;

/// A JSON object being read.
#[derive(Debug, Clone)]
pub struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    /// Reads a body that must be a JSON object. An empty body is an empty object.
    ///
    /// # Errors
    /// `MALFORMED_JSON` when it is no JSON, `INVALID_JSON` when it is no object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::of(Map::new(), ""));
        }
        match parse_json(body)? {
            Value::Object(map) => Ok(Self::of(map, "")),
            _ => Err(Problem::new(ErrorCode::InvalidJson, "The body must be a JSON object.")),
        }
    }

    /// Reads a body that must be an array of objects.
    ///
    /// # Errors
    /// As [`Fields::parse`].
    pub fn parse_array(body: &[u8]) -> Result<Vec<Self>, Problem> {
        let wrong =
            || Problem::new(ErrorCode::InvalidJson, "The body must be a JSON array of objects.");
        let Value::Array(items) = parse_json(body)? else { return Err(wrong()) };
        let read = |(at, item)| match item {
            Value::Object(map) => Ok(Self::of(map, &format!("[{at}]"))),
            _ => Err(wrong()),
        };
        items.into_iter().enumerate().map(read).collect()
    }

    fn of(map: Map<String, Value>, path: &str) -> Self {
        Self { map, path: path.to_owned() }
    }

    /// The full path of a field of this object, for errors.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether the field is present and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is present, be it null: some changes reset what they name with `null`.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Whether the field is there as null.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// Whether nothing is left to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Takes and forgets fields that only the server writes.
    pub fn ignore(&mut self, read_only: &[&str]) {
        for name in read_only {
            self.map.remove(*name);
        }
    }

    /// Every field, for objects whose names are free.
    #[must_use]
    pub fn into_entries(self) -> Vec<(String, Value)> {
        self.map.into_iter().collect()
    }

    /// Forgets those of these fields that are empty strings: some clients send what they leave out so.
    pub fn forget_empty(&mut self, names: &[&str]) {
        for name in names {
            if self.map.get(*name).and_then(Value::as_str) == Some("") {
                self.map.remove(*name);
            }
        }
    }

    /// A string field, left where it is; `None` when it is something else.
    #[must_use]
    pub fn peek_string(&self, name: &str) -> Option<String> {
        self.map.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// Adds a field that another part of the request told.
    pub fn set(&mut self, name: &str, value: Value) {
        self.map.insert(name.to_owned(), value);
    }

    /// Takes a field as it is; `None` when absent or null.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn wrong_type(&self, name: &str, expected: &str) -> Problem {
        let path = self.path_of(name);
        let detail =
            format!("Received JSON for the {path} attribute does not match expected format.");
        Problem::new(ErrorCode::InvalidJsonAttribute, detail)
            .with(path.clone())
            .at(path, format!("must be {expected}"))
    }

    /// Takes a string.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is something else.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type(name, "a string")),
        }
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// `MISSING_ATTRIBUTE`, or as [`Fields::string`].
    pub fn required_string(&mut self, name: &str) -> Result<String, Problem> {
        self.string(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes a string of `min` to `max` characters.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is shorter or longer, or as [`Fields::string`].
    pub fn text(&mut self, name: &str, min: usize, max: usize) -> Result<Option<String>, Problem> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let rule = format!("length must be between {min} and {max} characters");
        let length = text.chars().count();
        if (min..=max).contains(&length) {
            return Ok(Some(text));
        }
        Err(Problem::validation(&self.path_of(name), rule))
    }

    /// As [`Fields::text`], and it must be there.
    ///
    /// # Errors
    /// `MISSING_ATTRIBUTE`, or as [`Fields::text`].
    pub fn required_text(&mut self, name: &str, min: usize, max: usize) -> Result<String, Problem> {
        self.text(name, min, max)?.ok_or_else(|| self.missing(name))
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is something else.
    pub fn bool(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.wrong_type(name, "a boolean")),
        }
    }

    /// Takes a whole number between `min` and `max`.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is no whole number, `VALIDATION_ERROR` outside the range.
    pub fn int(&mut self, name: &str, min: i64, max: i64) -> Result<Option<i64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Some(number) = value.as_i64() else {
            return Err(self.wrong_type(name, "a whole number"));
        };
        if (min..=max).contains(&number) {
            return Ok(Some(number));
        }
        Err(Problem::validation(&self.path_of(name), format!("must be between {min} and {max}")))
    }

    /// As [`Fields::int`] for an `i32`.
    ///
    /// # Errors
    /// As [`Fields::int`].
    pub fn int32(&mut self, name: &str, min: i32, max: i32) -> Result<Option<i32>, Problem> {
        let number = self.int(name, i64::from(min), i64::from(max))?;
        Ok(number.and_then(|number| i32::try_from(number).ok()))
    }

    /// Takes a value of an enumeration, given as a string.
    ///
    /// # Errors
    /// `INVALID_ENUM_VALUE` when `parse` knows it not, or as [`Fields::string`].
    pub fn one_of<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let path = self.path_of(name);
        parse(&text).map(Some).ok_or_else(|| Problem::invalid_enum(&path, &text))
    }

    /// Takes an id.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is no id, or as [`Fields::string`].
    pub fn id<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let rule = "must be 24 lower-case hexadecimal digits";
        text.parse().map(Some).map_err(|_| Problem::validation(&self.path_of(name), rule))
    }

    /// Takes an object.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is something else.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self::of(map, &self.path_of(name)))),
            Some(_) => Err(self.wrong_type(name, "an object")),
        }
    }

    /// Takes an array of objects.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is something else.
    pub fn objects(&mut self, name: &str) -> Result<Option<Vec<Self>>, Problem> {
        let path = self.path_of(name);
        let wrong = || self.wrong_type(name, "an array of objects");
        let items = match self.map.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Array(items)) => Some(items),
            Some(_) => return Err(wrong()),
        };
        let read = |(at, item): (usize, &Value)| match item {
            Value::Object(map) => Ok(Self::of(map.clone(), &format!("{path}[{at}]"))),
            _ => Err(wrong()),
        };
        let objects = items.map(|items| items.iter().enumerate().map(read).collect()).transpose();
        if objects.is_ok() {
            self.map.remove(name);
        }
        objects
    }

    /// Takes an array of strings.
    ///
    /// # Errors
    /// `INVALID_JSON_ATTRIBUTE` when it is something else.
    pub fn strings(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let strings = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        strings.map(Some).ok_or_else(|| self.wrong_type(name, "an array of strings"))
    }

    /// The error for a field that must be there.
    #[must_use]
    pub fn missing(&self, name: &str) -> Problem {
        Problem::missing_attribute(&self.path_of(name))
    }

    /// Ends reading.
    ///
    /// # Errors
    /// `INVALID_ATTRIBUTE` naming every field that is left.
    pub fn finish(self) -> Result<(), Problem> {
        let unknown: Vec<String> = self.map.keys().map(|name| self.path_of(name)).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let problem = Problem::invalid_attribute(first, "is not a field of this request");
        Err(unknown[1..]
            .iter()
            .fold(problem, |problem, name| problem.at(name, "is not a field of this request")))
    }
}

/// Refuses a body that is no JSON where none is wanted: it would not be obeyed, but a client that sends
/// it is mistaken about something.
///
/// # Errors
/// `MALFORMED_JSON`.
pub fn check_unwanted(body: &[u8]) -> Result<(), Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    parse_json(body).map(|_| ())
}

fn parse_json(body: &[u8]) -> Result<Value, Problem> {
    let value = json::parse(body).map_err(|error| {
        let detail = format!("Received malformed JSON: {error}.");
        Problem::new(ErrorCode::MalformedJson, detail)
    })?;
    match nul_in(&value, "") {
        None => Ok(value),
        Some(path) => Err(Problem::invalid_attribute(&path, "must not hold the character U+0000")),
    }
}

/// Where a text holds a NUL, which no database takes.
fn nul_in(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| path.to_owned()),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| nul_in(item, &format!("{path}[{at}]")))
        }
        Value::Object(map) => map.iter().find_map(|(name, item)| {
            let dot = if path.is_empty() { "" } else { "." };
            let below = format!("{path}{dot}{name}");
            if name.contains('\0') { Some(below) } else { nul_in(item, &below) }
        }),
        _ => None,
    }
}
