//! The OpenAPI document as one HTML page: a list to search and one section per operation. No assets from
//! elsewhere; without scripts all but the search works.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page.
pub(crate) fn write(document: &Value) -> String {
    let mut page = Page { document, html: String::with_capacity(1 << 20) };
    page.all().expect("writing into a string cannot fail");
    page.html
}

struct Page<'a> {
    document: &'a Value,
    html: String,
}

type Written = Result<(), std::fmt::Error>;

/// One operation with where it stands.
struct Entry<'a> {
    method: &'a str,
    path: &'a str,
    operation: &'a Value,
}

impl Page<'_> {
    fn all(&mut self) -> Written {
        let info = &self.document["info"];
        write!(
            self.html,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>Portolan API</title><style>{STYLE}</style></head><body>\
             <header><h1>Portolan API <small>{}</small></h1><p>{}</p>\
             <p>As a document for programs: <a href=\"/api/openapi.json\">/api/openapi.json</a></p>\
             <label>Search <input id=\"search\" type=\"search\" autocomplete=\"off\" \
             placeholder=\"operation, path, word\"></label> <span id=\"count\"></span></header><main>",
            text(&info["version"]),
            text(&info["description"]),
        )?;
        let tags = self.document["tags"].as_array();
        for tag in tags.into_iter().flatten() {
            self.tag(tag)?;
        }
        write!(self.html, "<h2 id=\"shapes\">Shapes</h2>")?;
        let schemas = self.document["components"]["schemas"].as_object();
        for (name, schema) in schemas.into_iter().flatten() {
            self.shape(name, schema)?;
        }
        write!(self.html, "</main><script>{SCRIPT}</script></body></html>")
    }

    fn tag(&mut self, tag: &Value) -> Written {
        let name = tag["name"].as_str().unwrap_or_default();
        let document = self.document;
        let entries: Vec<Entry<'_>> =
            entries(document).filter(|entry| entry.operation["tags"][0] == name).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let (title, words) = (escape(name), text(&tag["description"]));
        write!(self.html, "<section class=\"tag\"><h2>{title}</h2><p>{words}</p>")?;
        entries.iter().try_for_each(|entry| self.operation(entry))?;
        write!(self.html, "</section>")
    }

    fn operation(&mut self, entry: &Entry<'_>) -> Written {
        let operation = entry.operation;
        let id = operation["operationId"].as_str().unwrap_or_default();
        let method = entry.method.to_uppercase();
        write!(
            self.html,
            "<details class=\"op\" id=\"{id}\"><summary><b class=\"{}\">{method}</b> \
             <code>{}</code> <span>{}</span></summary><p>{} <a href=\"#{id}\">{id}</a></p>",
            entry.method,
            escape(entry.path),
            text(&operation["summary"]),
            text(&operation["description"]),
        )?;
        if operation["deprecated"] == true {
            write!(self.html, "<p class=\"old\">All versions of this operation have an end.</p>")?;
        }
        if let Some(permission) = operation["x-portolan-permission"].as_str() {
            write!(self.html, "<p>Permission: <code>{}</code></p>", escape(permission))?;
        }
        self.parameters(&operation["parameters"])?;
        self.request(&operation["requestBody"])?;
        self.responses(&operation["responses"])?;
        write!(self.html, "</details>")
    }

    fn parameters(&mut self, parameters: &Value) -> Written {
        let Some(parameters) = parameters.as_array().filter(|list| !list.is_empty()) else {
            return Ok(());
        };
        write!(self.html, "<h4>Parameters</h4><table>")?;
        for parameter in parameters {
            let parameter = self.resolve(parameter);
            write!(
                self.html,
                "<tr><td><code>{}</code><td>{}{}<td>{}<td>{}</tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                if parameter["required"] == true { ", required" } else { "" },
                kind(&parameter["schema"]),
                text(&parameter["description"]),
            )?;
        }
        write!(self.html, "</table>")
    }

    fn request(&mut self, body: &Value) -> Written {
        let Some(content) = body["content"].as_object() else { return Ok(()) };
        write!(self.html, "<h4>Body</h4>")?;
        self.content(content)
    }

    fn responses(&mut self, responses: &Value) -> Written {
        write!(self.html, "<h4>Answers</h4>")?;
        for (status, response) in responses.as_object().into_iter().flatten() {
            let is_error = status.as_str() >= "400";
            let response = self.resolve(response);
            let words = text(&response["description"]);
            write!(self.html, "<p><b class=\"s{}\">{status}</b> {words}</p>", &status[..1])?;
            if let Some(content) = response["content"].as_object().filter(|_| !is_error) {
                self.content(content)?;
            }
        }
        Ok(())
    }

    /// Media types that say the same stand together.
    fn content(&mut self, content: &Map<String, Value>) -> Written {
        let mut groups: Vec<(Vec<&str>, &Value)> = Vec::new();
        for (media, shown) in content {
            match groups.iter_mut().find(|(_, known)| known["schema"] == shown["schema"]) {
                Some((names, _)) => names.push(media),
                None => groups.push((vec![media], shown)),
            }
        }
        for (names, shown) in groups {
            let names = escape(&names.join(", "));
            write!(self.html, "<p class=\"media\">{names}: {}</p>", kind(&shown["schema"]))?;
            if shown.get("example").is_some() {
                let example = serde_json::to_string_pretty(&shown["example"]).unwrap_or_default();
                write!(self.html, "<pre>{}</pre>", escape(&example))?;
            }
        }
        Ok(())
    }

    fn shape(&mut self, name: &str, schema: &Value) -> Written {
        write!(
            self.html,
            "<details class=\"shape\" id=\"shape-{name}\"><summary><code>{name}</code> \
             <span>{}</span></summary>",
            text(&schema["description"]),
        )?;
        let required = schema["required"].as_array();
        let is_required = |field: &str| {
            required.is_some_and(|required| required.iter().any(|name| name == field))
        };
        write!(self.html, "<table>")?;
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            write!(
                self.html,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}</tr>",
                escape(field),
                if is_required(field) { "required" } else { "" },
                kind(schema),
                text(&schema["description"]),
            )?;
        }
        write!(self.html, "</table>")?;
        if schema.get("properties").is_none() {
            write!(self.html, "<p>{}</p>", kind(schema))?;
        }
        write!(self.html, "</details>")
    }

    /// Follows a reference within the document.
    fn resolve<'v>(&'v self, value: &'v Value) -> Value {
        let pointer = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
        pointer.and_then(|place| self.document.pointer(place)).unwrap_or(value).clone()
    }
}

fn entries(document: &Value) -> impl Iterator<Item = Entry<'_>> {
    let paths = document["paths"].as_object();
    paths.into_iter().flatten().flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.map(move |(method, operation)| Entry { method, path, operation })
    })
}

/// A schema in a few words, with links to shapes.
fn kind(schema: &Value) -> String {
    if let Some(place) = schema["$ref"].as_str() {
        let name = escape(place.rsplit('/').next().unwrap_or(place));
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    if let Some(of) = schema["anyOf"].as_array() {
        return of.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(text).collect();
        return format!("one of {}", values.join(", "));
    }
    let mut words = match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escape(name),
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    for (name, word) in [
        ("format", ""),
        ("minLength", "length from "),
        ("maxLength", "to "),
        ("minimum", "from "),
        ("maximum", "to "),
        ("default", "default "),
    ] {
        if let Some(value) = schema.get(name) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.push_str(&format!(", {word}{}", escape(&value)));
        }
    }
    words
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
