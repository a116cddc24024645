//! Matching of request paths against patterns such as `/api/atlas/v2/groups/{groupId}:migrate`.
//!
//! Axum's own matcher knows no custom methods (a verb after a colon in the last segment), so the
//! Admin API has its own. A literal segment wins over one with a verb, which wins over a parameter.
//! Some clients escape the colon; a base URL with a trailing slash makes paths start with two.

use std::fmt;

/// A path split at its slashes, escapes still in place except for the colon's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestPath {
    segments: Vec<String>,
}

impl RequestPath {
    pub(crate) fn new(raw: &str) -> Self {
        let trimmed = raw.trim_start_matches('/');
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        let segments = trimmed.split('/').map(unescape_colon).collect();
        Self { segments }
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

fn unescape_colon(segment: &str) -> String {
    segment.replace("%3A", ":").replace("%3a", ":")
}

/// A pattern, parsed once.
#[derive(Debug, Clone)]
pub(crate) struct PathPattern {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Verb { parameter: &'static str, verb: &'static str },
    Parameter(&'static str),
}

/// How good a match is: smaller is better, segment by segment.
pub(crate) type Rank = Vec<u8>;

/// A parameter of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// Percent-decoded; as it stands in the path when that cannot be done.
    pub(crate) value: String,
    /// Whether its escapes are cut short, give no UTF-8, or hold a NUL.
    pub(crate) broken: bool,
}

/// Parameters in the order of the path.
pub(crate) type Parameters = Vec<Parameter>;

impl PathPattern {
    pub(crate) fn parse(pattern: &'static str) -> Self {
        let segments = pattern.trim_start_matches('/').split('/').map(Segment::parse).collect();
        Self { segments }
    }

    pub(crate) fn matches(&self, path: &RequestPath) -> Option<(Rank, Parameters)> {
        // Most patterns are told apart by their literals, which costs nothing to see.
        let literals = self.segments.iter().zip(&path.segments).all(
            |(pattern, segment)| !matches!(pattern, Segment::Literal(text) if *text != segment),
        );
        if self.segments.len() != path.segments.len() || !literals {
            return None;
        }
        let mut rank = Vec::with_capacity(self.segments.len());
        let mut parameters = Vec::new();
        for (pattern, segment) in self.segments.iter().zip(&path.segments) {
            rank.push(pattern.take(segment, &mut parameters)?);
        }
        Some((rank, parameters))
    }
}

impl Segment {
    fn parse(text: &'static str) -> Self {
        let Some(rest) = text.strip_prefix('{') else { return Self::Literal(text) };
        match rest.split_once('}') {
            Some((parameter, "")) => Self::Parameter(parameter),
            Some((parameter, verb)) => Self::Verb { parameter, verb },
            None => Self::Literal(text),
        }
    }

    fn take(&self, segment: &str, parameters: &mut Parameters) -> Option<u8> {
        match self {
            Self::Literal(text) => (*text == segment).then_some(0),
            Self::Verb { parameter, verb } => {
                let value = segment.strip_suffix(verb).filter(|value| !value.is_empty())?;
                parameters.push(Parameter::of(parameter, value));
                Some(1)
            }
            Self::Parameter(parameter) => {
                if segment.is_empty() || (is_id(parameter) && segment.contains([':', '.'])) {
                    return None;
                }
                parameters.push(Parameter::of(parameter, segment));
                Some(2)
            }
        }
    }
}

/// An id holds no colon: what follows one is a custom method that nobody has. Nor a dot: files beside
/// ids, such as `queryLogs.gz`, are operations of their own. Ids of private endpoints are the cloud
/// providers' and hold dots (on Azure they are paths of resources).
fn is_id(parameter: &str) -> bool {
    parameter == "clusterName" || (parameter.ends_with("Id") && parameter != "endpointId")
}

impl Parameter {
    fn of(name: &'static str, segment: &str) -> Self {
        match decode(segment) {
            Some(value) => Self { name, value, broken: false },
            None => Self { name, value: segment.to_owned(), broken: true },
        }
    }
}

/// Decodes percent escapes; `None` when they are cut short, give no UTF-8, or hold a NUL, which no
/// database takes in a text.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = tail.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
