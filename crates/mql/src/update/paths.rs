//! Paths of updates: names, indexes, `$`, `$[]` and `$[identifier]`, and the walk to what they mean.

use std::cmp::Ordering;

use bson::{RawBson, RawBsonRef};

use super::Circumstances;
use super::filters::ArrayFilters;
use super::tree::Tree;
use crate::path::Part as Name;
use crate::{MqlError, Result, code};

/// Elements that a path may add to an array to reach its index.
const PADDING_MAX: usize = 1_500_000;

/// A parsed path.
#[derive(Debug, Clone)]
pub(super) struct UpdatePath {
    pub(super) text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Name(Name),
    /// `$`: the index that the query matched.
    Positional,
    /// `$[]`: every element.
    All,
    /// `$[identifier]`: the elements that pass the filter at this place.
    Filtered(usize),
}

/// What an operator makes of the value at the end of its path.
pub(super) enum Change {
    Keep,
    Put(RawBson),
    Remove,
}

/// An operator at the end of a path.
pub(super) trait Leaf: std::fmt::Debug + Send + Sync {
    /// What becomes of a value (`None`: missing).
    fn change(&self, current: Option<RawBsonRef<'_>>, path: &str) -> Result<Change>;

    /// Whether the path is made where it is missing.
    fn creates(&self) -> bool {
        true
    }
}

impl UpdatePath {
    /// Parses and checks the path of an operator.
    pub(super) fn parse(text: &str, filters: &ArrayFilters) -> Result<Self> {
        let mut parts = Vec::new();
        for part in text.split('.') {
            parts.push(parse_part(text, part, parts.is_empty(), filters)?);
        }
        let positional = |part: &&Part| matches!(part, Part::Positional);
        if parts.iter().filter(positional).count() > 1 {
            let message = format!("Too many positional (i.e. '$') elements found in path '{text}'");
            return Err(MqlError::bad_value(message));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// A path of names and indexes only, not checked.
    pub(super) fn plain(text: &str) -> Self {
        let parts = text.split('.').map(|part| Part::Name(Name::new(part))).collect();
        Self { text: text.to_owned(), parts }
    }

    pub(super) fn has_positional(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Positional))
    }

    /// Whether the path is of names only.
    pub(super) fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Name(_)))
    }

    /// The places of the array filters it uses.
    pub(super) fn filters(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().filter_map(|part| match part {
            Part::Filtered(place) => Some(*place),
            _ => None,
        })
    }

    /// The order in which updates of one document are applied: names as text, indexes as numbers.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let (mut left, mut right) = (self.text.split('.'), other.text.split('.'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) => {
                    let order = match (Name::new(a).index, Name::new(b).index) {
                        (Some(a), Some(b)) => a.cmp(&b),
                        _ => a.cmp(b),
                    };
                    if order != Ordering::Equal {
                        return order;
                    }
                }
            }
        }
    }

    /// Applies an operator to everything the path means.
    pub(super) fn apply(
        &self,
        tree: &mut Tree,
        leaf: &dyn Leaf,
        circumstances: &Circumstances<'_>,
    ) -> Result<()> {
        Walk { path: &self.text, leaf, circumstances }.step(tree, &self.parts)
    }

    /// The value at a path of names, for `$rename`; arrays on the way are refused.
    pub(super) fn find<'t>(&self, tree: &'t mut Tree, role: &str) -> Result<Option<&'t mut Tree>> {
        let mut current = tree;
        for part in &self.parts {
            if current.is_array() {
                let message = format!(
                    "The {role} field cannot be an array element, '{}' has an array on its way",
                    self.text
                );
                return Err(MqlError::bad_value(message));
            }
            current.open()?;
            let (Tree::Document(fields), Part::Name(name)) = (current, part) else {
                return Ok(None);
            };
            match fields.iter_mut().find(|(known, _)| *known == name.name) {
                Some((_, value)) => current = value,
                None => return Ok(None),
            }
        }
        Ok(Some(current))
    }
}

fn parse_part(text: &str, part: &str, first: bool, filters: &ArrayFilters) -> Result<Part> {
    if part.is_empty() {
        let message =
            format!("The update path '{text}' contains an empty field name, which is not allowed.");
        return Err(MqlError::new(code::EMPTY_FIELD_NAME, message));
    }
    let Some(rest) = part.strip_prefix('$') else { return Ok(Part::Name(Name::new(part))) };
    let identifier = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let parsed = match (rest, identifier) {
        ("", _) => Part::Positional,
        (_, Some("")) => Part::All,
        (_, Some(name)) => match filters.position(name) {
            Some(place) => Part::Filtered(place),
            None => {
                let message =
                    format!("No array filter found for identifier '{name}' in path '{text}'");
                return Err(MqlError::bad_value(message));
            }
        },
        _ => {
            let message = format!(
                "The dollar ($) prefixed field '{part}' in '{text}' is not allowed in the context \
                 of an update's path."
            );
            return Err(MqlError::new(code::DOLLAR_PREFIXED, message));
        }
    };
    if first {
        let message = format!(
            "Cannot have array filter identifier or positional (i.e. '{part}') element in the \
             first position in path '{text}'"
        );
        return Err(MqlError::bad_value(message));
    }
    Ok(parsed)
}

/// Whether one of two paths is the other or leads through it.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let inside = |long: &str, short: &str| {
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(a, b) || inside(b, a)
}

/// One walk from the root to the ends of a path.
struct Walk<'w> {
    path: &'w str,
    leaf: &'w dyn Leaf,
    circumstances: &'w Circumstances<'w>,
}

impl Walk<'_> {
    fn step(&self, tree: &mut Tree, parts: &[Part]) -> Result<()> {
        let Some((first, rest)) = parts.split_first() else { return Ok(()) };
        tree.open()?;
        match (tree, first) {
            (Tree::Document(fields), Part::Name(name)) => self.field(fields, &name.name, rest),
            (Tree::Array(items), Part::Name(name)) => match name.index {
                Some(index) => self.element(items, index, rest),
                None => self.not_viable(&name.name),
            },
            (Tree::Array(items), Part::Positional) => match self.circumstances.matched {
                Some(index) => self.element(items, index, rest),
                None => Err(no_match()),
            },
            (Tree::Array(items), Part::All) => {
                items.iter_mut().try_for_each(|item| self.item(item, rest))
            }
            (Tree::Array(items), Part::Filtered(place)) => {
                for item in items {
                    let filters = self.circumstances.filters;
                    if item.with(|value| filters.passes(*place, value))? {
                        self.item(item, rest)?;
                    }
                }
                Ok(())
            }
            (Tree::Value(_), Part::Name(name)) => self.not_viable(&name.name),
            (_, Part::Positional) if self.circumstances.matched.is_none() => Err(no_match()),
            _ => {
                let message = format!(
                    "Cannot apply array updates to non-array element in path '{}'",
                    self.path
                );
                Err(MqlError::bad_value(message))
            }
        }
    }

    /// A path that leads through a value without fields.
    fn not_viable(&self, name: &str) -> Result<()> {
        if !self.leaf.creates() {
            return Ok(());
        }
        let message =
            format!("Cannot create field '{name}' in element on the path '{}'", self.path);
        Err(MqlError::new(code::PATH_NOT_VIABLE, message))
    }

    fn field(&self, fields: &mut Vec<(String, Tree)>, name: &str, rest: &[Part]) -> Result<()> {
        let place = fields.iter().position(|(known, _)| known == name);
        match place {
            Some(place) if rest.is_empty() => {
                match fields[place].1.with(|v| self.leaf.change(Some(v), self.path))? {
                    Change::Keep => {}
                    Change::Put(value) => fields[place].1 = Tree::Value(value),
                    Change::Remove => {
                        fields.remove(place);
                    }
                }
                Ok(())
            }
            Some(place) => self.step(&mut fields[place].1, rest),
            None => {
                if let Some(made) = self.made(rest)? {
                    fields.push((name.to_owned(), made));
                }
                Ok(())
            }
        }
    }

    /// An element that is there already.
    fn item(&self, item: &mut Tree, rest: &[Part]) -> Result<()> {
        if !rest.is_empty() {
            return self.step(item, rest);
        }
        match item.with(|value| self.leaf.change(Some(value), self.path))? {
            Change::Keep => {}
            Change::Put(value) => *item = Tree::Value(value),
            // Elements keep their places: what is removed leaves null.
            Change::Remove => *item = Tree::Value(RawBson::Null),
        }
        Ok(())
    }

    fn element(&self, items: &mut Vec<Tree>, index: usize, rest: &[Part]) -> Result<()> {
        if let Some(item) = items.get_mut(index) {
            return self.item(item, rest);
        }
        let Some(made) = self.made(rest)? else { return Ok(()) };
        if index - items.len() > PADDING_MAX {
            let message = format!("can't backfill more than {PADDING_MAX} elements");
            return Err(MqlError::bad_value(message));
        }
        items.resize(index, Tree::Value(RawBson::Null));
        items.push(made);
        Ok(())
    }

    /// What the operator makes where nothing is, with the documents that lead to it.
    fn made(&self, rest: &[Part]) -> Result<Option<Tree>> {
        if !self.leaf.creates() {
            return Ok(None);
        }
        if let Some(part) = rest.first() {
            if !matches!(part, Part::Name(_)) {
                let message = format!(
                    "The path '{}' must exist in the document in order to apply array updates.",
                    self.path
                );
                return Err(MqlError::bad_value(message));
            }
            let mut made = Tree::Document(Vec::new());
            self.step(&mut made, rest)?;
            return Ok(Some(made));
        }
        Ok(match self.leaf.change(None, self.path)? {
            Change::Put(value) => Some(Tree::Value(value)),
            Change::Keep | Change::Remove => None,
        })
    }
}

fn no_match() -> MqlError {
    MqlError::bad_value("The positional operator did not find the match needed from the query.")
}
