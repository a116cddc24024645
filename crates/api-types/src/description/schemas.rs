//! JSON Schemas (2020-12, as OpenAPI 3.1 has them) and examples of the described shapes.
//!
//! One shape gives up to three schemas: of answers (`Group`), of requests that need all required fields
//! (`GroupRequest`), and of changes that need none (`GroupChange`); fewer where they would be the same.
//! All are closed: a field that is not described is neither taken nor served.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Description, Field, Kind, Shape};

/// For what a shape is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// In an answer.
    Answer,
    /// In a request.
    Request,
    /// In a request that changes some fields.
    Change,
}

/// The schemas that a document needs, gathered while it is written.
pub struct Schemas<'a> {
    description: &'a Description,
    components: BTreeMap<String, Value>,
}

const PLACE: &str = "#/components/schemas/";

impl<'a> Schemas<'a> {
    /// None yet.
    #[must_use]
    pub fn new(description: &'a Description) -> Self {
        Self { description, components: BTreeMap::new() }
    }

    /// All that were asked for, by name.
    #[must_use]
    pub fn finish(self) -> Map<String, Value> {
        self.components.into_iter().collect()
    }

    /// The names of shapes that are described and were not asked for.
    #[must_use]
    pub fn unused(&self) -> Vec<&'static str> {
        let used = |name: &str| {
            let names = [name.to_owned(), format!("{name}Request"), format!("{name}Change")];
            names.iter().any(|name| self.components.contains_key(name))
        };
        self.description.shapes.keys().copied().filter(|name| !used(name)).collect()
    }

    /// The schema of a kind, with what it refers to among the components.
    pub fn of(&mut self, kind: &Kind, mode: Mode) -> Value {
        match kind {
            Kind::Named(name) => {
                json!({ "$ref": format!("{PLACE}{}", self.component(name, mode)) })
            }
            Kind::List(item) => {
                // A list is sent whole, so its items are whole in a change too.
                let mode = if mode == Mode::Change { Mode::Request } else { mode };
                json!({ "type": "array", "items": self.of(item, mode) })
            }
            Kind::Map(item) => {
                json!({ "type": "object", "additionalProperties": self.of(item, mode) })
            }
            simple => simple_schema(simple),
        }
    }

    /// The schema of a page of a list.
    pub fn page(&mut self, item: &Kind) -> Value {
        let links = self.of(&Kind::List(Box::new(Kind::Named("Link"))), Mode::Answer);
        let results = self.of(&Kind::List(Box::new(item.clone())), Mode::Answer);
        let page = json!({
            "type": "object",
            "properties": {
                "links": links,
                "results": results,
                "totalCount": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Items of the whole list; absent with includeCount=false.",
                },
            },
            "required": ["links", "results"],
            "additionalProperties": false,
        });
        let Some(name) = item.named() else { return page };
        let name = format!("PageOf{name}");
        self.components.insert(name.clone(), page);
        json!({ "$ref": format!("{PLACE}{name}") })
    }

    /// The name of a shape's schema, which is made when it is not there yet.
    fn component(&mut self, name: &'static str, mode: Mode) -> String {
        let mode = self.effective(name, mode);
        let full = match mode {
            Mode::Answer => name.to_owned(),
            Mode::Request => format!("{name}Request"),
            Mode::Change => format!("{name}Change"),
        };
        if !self.components.contains_key(&full) {
            // A shape may hold itself.
            self.components.insert(full.clone(), Value::Null);
            let schema = self.shape(name, mode);
            self.components.insert(full.clone(), schema);
        }
        full
    }

    fn shape(&mut self, name: &'static str, mode: Mode) -> Value {
        match self.description.shapes.get(name) {
            // A test holds that there is none of these.
            None => json!({ "description": format!("{name} is not described.") }),
            Some(Shape::Enum { text, values }) => {
                json!({ "type": "string", "enum": values, "description": text })
            }
            Some(Shape::Union { text, of }) => {
                let of: Vec<Value> =
                    of.iter().map(|name| self.of(&Kind::Named(name), mode)).collect();
                json!({ "anyOf": of, "description": text })
            }
            Some(Shape::Object { text, fields, open }) => {
                let mut object = self.object(text, fields, mode);
                if *open {
                    object["additionalProperties"] = json!({ "type": "string" });
                }
                object
            }
        }
    }

    fn object(&mut self, text: &str, fields: &'a [Field], mode: Mode) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields.iter().filter(|field| is_in(field, mode)) {
            properties.insert(field.name.to_owned(), self.field(field, mode));
            let needed = match mode {
                Mode::Answer => field.required || field.always,
                Mode::Request => field.required,
                Mode::Change => false,
            };
            required.extend(needed.then_some(field.name));
        }
        let mut object = json!({ "type": "object", "description": text, "properties": properties });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        object["additionalProperties"] = json!(false);
        object
    }

    /// The schema of a field or parameter, with its text, default and example.
    pub fn field(&mut self, field: &Field, mode: Mode) -> Value {
        let mut schema = self.of(&field.kind, mode);
        if field.nullable {
            schema = match schema.get("type") {
                Some(Value::String(kind)) if schema.get("enum").is_none() => {
                    let kinds = json!([kind, "null"]);
                    schema["type"] = kinds;
                    schema
                }
                _ => json!({ "anyOf": [schema, { "type": "null" }] }),
            };
        }
        schema["description"] = json!(field.text);
        if let Some(default) = field.default.as_ref().filter(|_| mode != Mode::Answer) {
            schema["default"] = default.clone();
        }
        if let Some(example) = &field.example {
            schema["examples"] = json!([example]);
        }
        schema
    }

    /// The least mode that gives the same schema.
    fn effective(&self, name: &str, mode: Mode) -> Mode {
        if mode == Mode::Change && !self.differs(name, Mode::Change, &mut Vec::new()) {
            return self.effective(name, Mode::Request);
        }
        if mode == Mode::Request && !self.differs(name, Mode::Request, &mut Vec::new()) {
            return Mode::Answer;
        }
        mode
    }

    /// Whether a shape's schema for requests differs from that for answers, or that for changes from
    /// that for requests.
    fn differs(&self, name: &str, mode: Mode, seen: &mut Vec<String>) -> bool {
        if seen.iter().any(|known| known == name) {
            return false;
        }
        seen.push(name.to_owned());
        let mut below = |kind: &Kind| match kind {
            Kind::List(_) if mode == Mode::Change => false,
            kind => kind.named().is_some_and(|name| self.differs(name, mode, seen)),
        };
        match self.description.shapes.get(name) {
            Some(Shape::Object { fields, .. }) => fields.iter().any(|field| {
                let own = match mode {
                    Mode::Change => field.required,
                    _ => {
                        field.read_only
                            || field.write_only
                            || field.always
                            || field.default.is_some()
                    }
                };
                own || below(&field.kind)
            }),
            Some(Shape::Union { of, .. }) => of.iter().any(|name| below(&Kind::Named(name))),
            _ => false,
        }
    }

    /// An example of a kind, composed of those of its fields.
    #[must_use]
    pub fn example(&self, kind: &Kind, mode: Mode) -> Value {
        match kind {
            Kind::Named(name) => match self.description.shapes.get(name) {
                Some(Shape::Object { fields, .. }) => self.object_example(fields, mode),
                Some(Shape::Enum { values, .. }) => json!(values.first()),
                Some(Shape::Union { of, .. }) => {
                    of.first().map_or(Value::Null, |name| self.example(&Kind::Named(name), mode))
                }
                None => Value::Null,
            },
            Kind::List(item) => json!([self.example(item, mode)]),
            Kind::Map(item) => json!({ "name": self.example(item, mode) }),
            simple => simple_example(simple),
        }
    }

    fn object_example(&self, fields: &[Field], mode: Mode) -> Value {
        let shown = fields.iter().filter(|field| is_in(field, mode) && !field.rare);
        let value = |field: &Field| {
            field.example.clone().unwrap_or_else(|| self.example(&field.kind, mode))
        };
        Value::Object(shown.map(|field| (field.name.to_owned(), value(field))).collect())
    }

    /// An example of a page.
    #[must_use]
    pub fn page_example(&self, item: &Kind, href: &str) -> Value {
        let query = "includeCount=true&pageNum=1&itemsPerPage=100";
        json!({
            "links": [{ "href": format!("{href}?{query}"), "rel": "self" }],
            "results": [self.example(item, Mode::Answer)],
            "totalCount": 1,
        })
    }
}

fn is_in(field: &Field, mode: Mode) -> bool {
    match mode {
        Mode::Answer => !field.write_only,
        Mode::Request | Mode::Change => !field.read_only,
    }
}

fn simple_schema(kind: &Kind) -> Value {
    match kind {
        Kind::Text(None) => json!({ "type": "string" }),
        Kind::Text(Some((min, max))) => {
            json!({ "type": "string", "minLength": min, "maxLength": max })
        }
        Kind::Hex24 => json!({ "type": "string", "pattern": "^[a-f0-9]{24}$" }),
        Kind::Email => json!({ "type": "string", "format": "email" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(None) => json!({ "type": "integer", "format": "int64" }),
        Kind::Int(Some((min, max))) => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        Kind::Number => json!({ "type": "number" }),
        Kind::Enum(values) => json!({ "type": "string", "enum": values }),
        Kind::Object => json!({ "type": "object" }),
        Kind::Any | Kind::Named(_) | Kind::List(_) | Kind::Map(_) => json!({}),
    }
}

fn simple_example(kind: &Kind) -> Value {
    match kind {
        Kind::Hex24 => json!("5f1b3c8e2d4a6b7c8d9e0f1a"),
        Kind::Email => json!("ada@example.org"),
        Kind::Time => json!("2026-08-10T03:02:46Z"),
        Kind::Bool => json!(true),
        Kind::Int(range) => json!(range.map_or(1, |(min, _)| min.max(1))),
        Kind::Number => json!(10.0),
        Kind::Enum(values) => json!(values.first()),
        Kind::Object => json!({}),
        // A test demands an example for each text.
        _ => json!("text"),
    }
}
