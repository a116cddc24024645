//! Reads `.api` files. Their language is told in the header of the parent.

use super::{Body, Description, DescriptionError, Field, Gives, Kind, Operation, Shape, Takes};

/// Reads one file into `description`.
pub(super) fn read(
    file: &'static str,
    text: &'static str,
    description: &mut Description,
) -> Result<(), DescriptionError> {
    let mut reader = Reader { file, tag: "", block: Block::None, description };
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |message| DescriptionError { file, line: number, message };
        reader.line(line).map_err(refused)?;
    }
    Ok(())
}

enum Block {
    None,
    Tag,
    Operation(&'static str),
    Shape(&'static str),
}

struct Reader<'a> {
    file: &'static str,
    tag: &'static str,
    block: Block,
    description: &'a mut Description,
}

type Read<T = ()> = Result<T, String>;

impl Reader<'_> {
    fn line(&mut self, line: &'static str) -> Read {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "tag" => self.tag(rest),
            "operation" => self.operation(rest),
            "shape" => self.object(rest, false),
            "open" => self.object(rest, true),
            "union" => self.shape(rest, |text| Shape::Union { text, of: Vec::new() }),
            "enum" => self.values(rest),
            "|" => self.more(rest),
            _ => match self.block {
                Block::Operation(id) => self.in_operation(id, word, rest),
                Block::Shape(name) => self.in_shape(name, line),
                Block::None | Block::Tag => Err(format!("{word} stands outside a block")),
            },
        }
    }

    fn tag(&mut self, rest: &'static str) -> Read {
        let (name, text) = named(rest)?;
        self.tag = name;
        self.block = Block::Tag;
        self.description.tags.push((name, text.to_owned()));
        Ok(())
    }

    fn operation(&mut self, rest: &'static str) -> Read {
        let (id, summary) = named(rest)?;
        let operation = Operation {
            file: self.file,
            tag: self.tag,
            summary,
            text: summary.to_owned(),
            paged: false,
            query: Vec::new(),
            takes: Vec::new(),
            example: None,
            gives: Vec::new(),
            refuses: Vec::new(),
        };
        self.block = Block::Operation(id);
        let before = self.description.operations.insert(id, operation);
        before.map_or(Ok(()), |before| Err(format!("{id} is described in {} too", before.file)))
    }

    fn object(&mut self, rest: &'static str, open: bool) -> Read {
        self.shape(rest, |text| Shape::Object { text, fields: Vec::new(), open })
    }

    fn shape(&mut self, rest: &'static str, make: impl FnOnce(String) -> Shape) -> Read {
        let (name, text) = named(rest)?;
        self.block = Block::Shape(name);
        let before = self.description.shapes.insert(name, make(text.to_owned()));
        before.map_or(Ok(()), |_| Err(format!("{name} is described twice")))
    }

    fn values(&mut self, rest: &'static str) -> Read {
        let (head, text) = named(rest)?;
        let (name, values) = head
            .strip_suffix(')')
            .and_then(|head| head.split_once('('))
            .ok_or("write: enum Name(A,B): text")?;
        let shape = Shape::Enum { text: text.to_owned(), values: values.split(',').collect() };
        self.block = Block::Shape(name);
        let before = self.description.shapes.insert(name, shape);
        before.map_or(Ok(()), |_| Err(format!("{name} is described twice")))
    }

    /// A further line of text.
    fn more(&mut self, rest: &'static str) -> Read {
        let text = match self.block {
            Block::None => None,
            Block::Tag => self.description.tags.last_mut().map(|(_, text)| text),
            Block::Operation(id) => {
                self.description.operations.get_mut(id).map(|operation| &mut operation.text)
            }
            Block::Shape(name) => self.description.shapes.get_mut(name).map(last_text),
        };
        let text = text.ok_or("no text before this line to continue")?;
        text.push(' ');
        text.push_str(rest);
        Ok(())
    }

    fn in_operation(&mut self, id: &'static str, word: &'static str, rest: &'static str) -> Read {
        let Some(operation) = self.description.operations.get_mut(id) else { return Ok(()) };
        match word {
            "query" if rest == "paged" => operation.paged = true,
            "query" => operation.query.push(field(rest)?),
            "takes" => operation.takes.push(takes(rest)?),
            "example" => operation.example = Some(json(rest)?),
            "gives" => operation.gives.push(gives(rest)?),
            "refuses" => operation.refuses.push(named(rest)?),
            _ => return Err(format!("{word} is no word of an operation")),
        }
        Ok(())
    }

    /// Gives a shape the fields of another one that was read before.
    fn include(&mut self, name: &'static str, other: &str) -> Read {
        let Some(Shape::Object { fields: included, .. }) = self.description.shapes.get(other)
        else {
            return Err(format!("{other} is no shape with fields that stands above"));
        };
        let included = included.clone();
        if let Some(Shape::Object { fields, .. }) = self.description.shapes.get_mut(name) {
            fields.extend(included);
        }
        Ok(())
    }

    fn in_shape(&mut self, name: &'static str, line: &'static str) -> Read {
        if let Some(other) = line.strip_prefix("...") {
            return self.include(name, other);
        }
        match self.description.shapes.get_mut(name) {
            Some(Shape::Object { fields, .. }) => match line.strip_prefix("- ") {
                Some(removed) => fields.retain(|field| field.name != removed),
                None => add(fields, field(line)?),
            },
            Some(Shape::Union { of, .. }) => of.push(line),
            _ => return Err(format!("{name} has no lines of its own")),
        }
        Ok(())
    }
}

/// Adds a field, or replaces the one of its name.
fn add(fields: &mut Vec<Field>, field: Field) {
    match fields.iter_mut().find(|known| known.name == field.name) {
        Some(known) => *known = field,
        None => fields.push(field),
    }
}

fn last_text(shape: &mut Shape) -> &mut String {
    match shape {
        Shape::Object { text, fields, .. } => {
            fields.last_mut().map_or(text, |field| &mut field.text)
        }
        Shape::Enum { text, .. } | Shape::Union { text, .. } => text,
    }
}

fn named(rest: &'static str) -> Read<(&'static str, &'static str)> {
    let (name, text) = rest.split_once(": ").ok_or("a name, a colon and a text are missing")?;
    if name.is_empty() || text.trim().is_empty() {
        return Err("a name or its text is empty".to_owned());
    }
    Ok((name, text.trim()))
}

fn json(text: &str) -> Read<serde_json::Value> {
    serde_json::from_str(text).map_err(|error| format!("{text} is no JSON: {error}"))
}

fn kind(text: &'static str) -> Read<Kind> {
    Kind::parse(text).ok_or_else(|| format!("{text} is no kind"))
}

fn takes(rest: &'static str) -> Read<Takes> {
    let (version, rest) = versioned(rest);
    let (rest, partial) = strip(rest, "part of ");
    let (rest, form) = strip(rest, "form ");
    Ok(Takes { version, kind: kind(rest)?, partial, form })
}

fn strip(text: &'static str, prefix: &str) -> (&'static str, bool) {
    text.strip_prefix(prefix).map_or((text, false), |rest| (rest, true))
}

/// A date in front of the rest.
fn versioned(rest: &'static str) -> (Option<&'static str>, &'static str) {
    let is_date = |text: &str| text.len() == 10 && text.starts_with("20");
    match rest.split_once(' ') {
        Some((first, others)) if is_date(first) => (Some(first), others),
        _ => (None, rest),
    }
}

fn gives(rest: &'static str) -> Read<Gives> {
    let (version, rest) = versioned(rest);
    let (status, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status.parse().map_err(|_| format!("{status} is no status"))?;
    let body = match body {
        "" => None,
        "gzip" => Some(Body::Gzip),
        "empty" => Some(Body::Json(Kind::Named("Empty"))),
        _ => match (body.strip_prefix("page of "), body.strip_prefix("text ")) {
            (Some(item), _) => Some(Body::Page(kind(item)?)),
            (_, Some(media)) => Some(Body::Text(media)),
            _ => Some(Body::Json(kind(body)?)),
        },
    };
    Ok(Gives { version, status, body })
}

/// `name* kind flag ~"example" : text`
fn field(line: &'static str) -> Read<Field> {
    let (head, text) = split_outside_quotes(line).ok_or("a field needs ` : ` and a text")?;
    let mut words = words(head).into_iter();
    let name = words.next().ok_or("a field needs a name")?;
    let (bare, required, always) = match name.as_bytes().last() {
        Some(b'*') => (&name[..name.len() - 1], true, true),
        Some(b'+') => (&name[..name.len() - 1], false, true),
        _ => (name, false, false),
    };
    let mut field = Field {
        name: bare,
        kind: kind(words.next().ok_or("a field needs a kind")?)?,
        required,
        always,
        read_only: false,
        write_only: false,
        nullable: false,
        rare: false,
        example: None,
        default: None,
        text: text.trim().to_owned(),
    };
    words.try_for_each(|word| flag(&mut field, word))?;
    Ok(field)
}

fn flag(field: &mut Field, word: &str) -> Read {
    match word {
        "readonly" => field.read_only = true,
        "writeonly" => field.write_only = true,
        "null" => field.nullable = true,
        "rare" => field.rare = true,
        _ => match (word.strip_prefix('~'), word.strip_prefix('=')) {
            (Some(example), _) => field.example = Some(json(example)?),
            (_, Some(default)) => field.default = Some(json(default)?),
            _ => return Err(format!("{word} is no flag")),
        },
    }
    Ok(())
}

fn split_outside_quotes(line: &'static str) -> Option<(&'static str, &'static str)> {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        quoted ^= letter == '"' && !line[..at].ends_with('\\');
        if !quoted && line[at..].starts_with(" : ") {
            return Some((&line[..at], &line[at + 3..]));
        }
    }
    None
}

/// Words at spaces outside quotes.
fn words(text: &'static str) -> Vec<&'static str> {
    let mut quoted = false;
    let split = move |c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    };
    text.split(split).filter(|word| !word.is_empty()).collect()
}
