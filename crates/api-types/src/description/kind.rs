//! The kinds of values that a field can have.

/// A kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text with the fewest and most characters.
    Text(Option<(u64, u64)>),
    /// An id: 24 lower-case hexadecimal digits.
    Hex24,
    /// An e-mail address.
    Email,
    /// A time in ISO 8601, UTC.
    Time,
    /// True or false.
    Bool,
    /// A whole number between two others.
    Int(Option<(i64, i64)>),
    /// A number.
    Number,
    /// One of some texts.
    Enum(Vec<&'static str>),
    /// Any JSON object.
    Object,
    /// Any JSON value.
    Any,
    /// A shape, by its name.
    Named(&'static str),
    /// A list.
    List(Box<Kind>),
    /// An object whose values are of one kind.
    Map(Box<Kind>),
}

impl Kind {
    /// Reads a kind; `None` when it is none.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        if let Some(item) = text.strip_suffix("[]") {
            return Some(Self::List(Box::new(Self::parse(item)?)));
        }
        if let Some(item) = text.strip_suffix("{}") {
            return Some(Self::Map(Box::new(Self::parse(item)?)));
        }
        let (name, inner) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, inner)) => (name, Some(inner)),
            None => (text, None),
        };
        Self::simple(name, inner)
    }

    fn simple(name: &'static str, inner: Option<&'static str>) -> Option<Self> {
        Some(match (name, inner) {
            ("text", None) => Self::Text(None),
            ("text", Some(range)) => Self::Text(Some(parse_range(range)?)),
            ("hex24", None) => Self::Hex24,
            ("email", None) => Self::Email,
            ("time", None) => Self::Time,
            ("bool", None) => Self::Bool,
            ("int", None) => Self::Int(None),
            ("int", Some(range)) => Self::Int(Some(parse_range(range)?)),
            ("number", None) => Self::Number,
            ("object", None) => Self::Object,
            ("any", None) => Self::Any,
            ("enum", Some(values)) => Self::Enum(values.split(',').collect()),
            (name, None) if name.starts_with(|c: char| c.is_ascii_uppercase()) => Self::Named(name),
            _ => return None,
        })
    }

    /// The shape that it is, or is a list or map of.
    pub(super) fn named(&self) -> Option<&'static str> {
        match self {
            Self::Named(name) => Some(name),
            Self::List(item) | Self::Map(item) => item.named(),
            _ => None,
        }
    }
}

fn parse_range<T: std::str::FromStr>(text: &str) -> Option<(T, T)> {
    let (min, max) = text.split_once("..")?;
    Some((min.parse().ok()?, max.parse().ok()?))
}
