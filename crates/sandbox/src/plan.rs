//! Which way to the documents a query takes: the index on `_id`, a secondary index, or all of the
//! collection. A plan only narrows; who runs it checks the whole filter on every document.

use bson::{RawBsonRef, RawDocument};
use portolan_mql::{Collation, Filter, Interval, Sort, key};

use crate::error::{Failure, codes, refuse};
use crate::store::{CollectionEntry, ID_INDEX, IndexEntry, IndexField, after_prefix, as_stored};

/// Ranges of a product of bounds on several fields, at most.
const RANGES_MAX: usize = 1024;

/// Numbers of refusals that MongoDB gives no names.
const NO_HINT_FOR_BOUNDS: i32 = 51_173;
const BAD_BOUNDS: i32 = 51_174;

/// Where the record numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The documents themselves, in the order of insertion.
    Collection,
    /// The index on `_id`.
    Ids,
    /// The secondary index at this position.
    Index(usize),
}

/// A range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRange {
    /// Inclusive.
    pub(crate) low: Vec<u8>,
    /// Exclusive; `None` has no end.
    pub(crate) high: Option<Vec<u8>>,
    /// All keys of the range are equal.
    pub(crate) point: bool,
}

impl KeyRange {
    fn all() -> Self {
        Self { low: Vec::new(), high: None, point: false }
    }

    fn of(interval: &Interval) -> Self {
        Self {
            high: after_prefix(&interval.high),
            point: interval.low == interval.high,
            low: interval.low.clone(),
        }
    }
}

/// A way to the documents.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    /// Disjoint and ascending.
    pub(crate) ranges: Vec<KeyRange>,
    /// From the last range to the first, each from its end.
    pub(crate) reverse: bool,
    /// The documents come in the order that was asked for.
    pub(crate) sorted: bool,
    /// So many leading fields of the index have one value each in all that is walked along.
    fixed: usize,
    /// A document may come more than once.
    pub(crate) repeats: bool,
}

/// What the client asks of the plan.
#[derive(Debug, Clone, Default)]
pub(crate) enum Hint {
    #[default]
    None,
    /// All of the collection, forwards or backwards.
    Natural { reverse: bool },
    /// The index of this name.
    Index(String),
}

impl Hint {
    /// Reads a `hint`: the name of an index, its key pattern, or `{$natural: ±1}`.
    pub(crate) fn parse(
        hint: Option<RawBsonRef<'_>>,
        entry: &CollectionEntry,
    ) -> Result<Self, Failure> {
        match hint {
            None => Ok(Self::None),
            Some(RawBsonRef::Document(pattern)) if pattern.is_empty() => Ok(Self::None),
            Some(RawBsonRef::String(name)) => {
                let known = |index: &IndexEntry| index.name == name && !index.options.hidden;
                let id = name == ID_INDEX || entry.options.clustered_name() == Some(name);
                if id || entry.indexes.iter().any(known) {
                    Ok(Self::Index(if id { ID_INDEX } else { name }.to_owned()))
                } else {
                    Err(bad_hint())
                }
            }
            Some(RawBsonRef::Document(pattern)) => Self::of_pattern(pattern, entry),
            Some(_) => Err(refuse(codes::FAILED_TO_PARSE, "Hint must be a string or an object")),
        }
    }

    fn of_pattern(pattern: &RawDocument, entry: &CollectionEntry) -> Result<Self, Failure> {
        if let Some(direction) = pattern.get("$natural")? {
            let reverse = crate::commands::fields::as_f64(direction).unwrap_or(1.0) < 0.0;
            return Ok(Self::Natural { reverse });
        }
        let fields = crate::store::index_fields(pattern).map_err(|_| bad_hint())?;
        if is_id_pattern(&fields) {
            return Ok(Self::Index(ID_INDEX.to_owned()));
        }
        let known = |index: &&IndexEntry| index.fields == fields && !index.options.hidden;
        let index = entry.indexes.iter().find(known);
        index.map(|index| Self::Index(index.name.clone())).ok_or_else(bad_hint)
    }
}

/// Whether the pattern is that of the index on `_id`.
pub(crate) fn is_id_pattern(fields: &[IndexField]) -> bool {
    matches!(fields, [field] if *field == IndexField::ascending("_id"))
}

fn bad_hint() -> Failure {
    refuse(codes::BAD_VALUE, "hint provided does not correspond to an existing index")
}

impl Plan {
    /// All documents in the order of insertion.
    pub(crate) fn everything(reverse: bool) -> Self {
        Self { reverse, ..Self::whole(Source::Collection, false) }
    }

    /// All documents in their natural order, which is that of `_id` in a clustered collection.
    pub(crate) fn all_of(entry: &CollectionEntry, reverse: bool) -> Self {
        if entry.options.is_clustered() {
            return Self { reverse, ..Self::whole(Source::Ids, false) };
        }
        Self::everything(reverse)
    }

    /// Chooses a way to the documents that `filter` may match.
    pub(crate) fn choose(
        entry: &CollectionEntry,
        filter: &Filter,
        sort: Option<&Sort>,
        hint: &Hint,
    ) -> Self {
        let mut plan = match hint {
            Hint::Natural { reverse } => return Self::all_of(entry, *reverse),
            Hint::Index(name) => Self::by_name(entry, filter, name),
            Hint::None => Self::best(entry, filter, sort),
        };
        if let Some(sort) = sort.filter(|sort| !sort.is_empty()) {
            plan.take_order(entry, sort);
        }
        plan
    }

    fn best(entry: &CollectionEntry, filter: &Filter, sort: Option<&Sort>) -> Self {
        let by_id = id_bounds(entry, filter).map(|intervals| Self::over_ids(&intervals));
        if let Some(plan) = by_id.as_ref().filter(|plan| plan.points()) {
            return plan.clone();
        }
        let by_index = entry
            .indexes
            .iter()
            .enumerate()
            .filter(|(_, index)| !index.options.hidden && holds_matches(index, filter))
            .filter_map(|(position, index)| {
                let (plan, fields) = Self::over_index(position, index, filter)?;
                Some((plan.points(), fields, index.options.unique, plan))
            })
            .max_by_key(|(points, fields, unique, _)| (*points, *fields, *unique));
        match (by_index, by_id) {
            (Some((_, _, _, plan)), None) => plan,
            (Some((true, _, _, plan)), Some(_)) => plan,
            (_, Some(plan)) => plan,
            (None, None) => {
                Self::for_order(entry, sort).unwrap_or_else(|| Self::all_of(entry, false))
            }
        }
    }

    fn by_name(entry: &CollectionEntry, filter: &Filter, name: &str) -> Self {
        let Some(position) = entry.indexes.iter().position(|index| index.name == name) else {
            let bounds = id_bounds(entry, filter);
            return bounds
                .map_or_else(|| Self::whole(Source::Ids, false), |all| Self::over_ids(&all));
        };
        let index = &entry.indexes[position];
        match Self::over_index(position, index, filter) {
            Some((plan, _)) => plan,
            None => Self::whole(Source::Index(position), index.multikey),
        }
    }

    /// The part of an index from `min` (inclusive) to `max` (exclusive); the index is that of the
    /// hint.
    pub(crate) fn within(
        self,
        entry: &CollectionEntry,
        hint: &Hint,
        min: Option<&RawDocument>,
        max: Option<&RawDocument>,
    ) -> Result<Self, Failure> {
        let Hint::Index(name) = hint else {
            let message = "a hint of an index is required when using min()/max()";
            return Err(refuse(NO_HINT_FOR_BOUNDS, message));
        };
        let position = entry.indexes.iter().position(|index| index.name == *name);
        let (source, collation, repeats) = match position {
            Some(position) => {
                let index = &entry.indexes[position];
                (Source::Index(position), index.options.collation.as_ref(), index.multikey)
            }
            None => (Source::Ids, entry.options.collation(), false),
        };
        let whole = Self { source, ..self.clone() };
        let fields = whole.fields(entry);
        let key = |bound: &RawDocument| bound_key(bound, &fields, collation);
        let range = KeyRange {
            low: min.map(key).transpose()?.unwrap_or_default(),
            high: max.map(key).transpose()?,
            point: false,
        };
        let sorted = self.sorted && self.source == source;
        let reverse = sorted && self.reverse;
        Ok(Self { source, ranges: vec![range], reverse, sorted, fixed: 0, repeats })
    }

    /// The fields of the index that is used; none when all of the collection is read.
    pub(crate) fn fields(&self, entry: &CollectionEntry) -> Vec<IndexField> {
        match self.source {
            Source::Collection => Vec::new(),
            Source::Ids => vec![IndexField::ascending("_id")],
            Source::Index(position) => entry.indexes[position].fields.clone(),
        }
    }

    fn whole(source: Source, repeats: bool) -> Self {
        let (reverse, sorted) = (false, false);
        Self { source, ranges: vec![KeyRange::all()], reverse, sorted, fixed: 0, repeats }
    }

    fn over_ids(intervals: &[Interval]) -> Self {
        let ranges = disjoint(intervals.iter().map(KeyRange::of).collect());
        Self { ranges, ..Self::whole(Source::Ids, false) }
    }

    /// Bounds on the leading fields; `None` if there are none. Also how many fields are bounded.
    fn over_index(position: usize, index: &IndexEntry, filter: &Filter) -> Option<(Self, usize)> {
        let first = index.fields.first()?;
        let collation = index.options.collation.as_ref();
        let mut bounds = field_bounds(first, filter, index.multikey, collation)?;
        let mut bounded = 1;
        let mut fixed = usize::from(is_one_point(&bounds));
        // Behind an array, elements of different fields may belong to different elements.
        let more = if index.multikey { &[] } else { &index.fields[1..] };
        for field in more {
            if bounds.iter().any(|bound| bound.low != bound.high) {
                break;
            }
            let Some(next) = field_bounds(field, filter, false, collation) else { break };
            if bounds.len() * next.len() > RANGES_MAX {
                break;
            }
            bounds =
                bounds.iter().flat_map(|left| next.iter().map(|right| join(left, right))).collect();
            bounded += 1;
            fixed += usize::from(is_one_point(&bounds));
        }
        let ranges = disjoint(bounds.iter().map(KeyRange::of).collect());
        let whole = Self::whole(Source::Index(position), index.multikey);
        Some((Self { ranges, fixed, ..whole }, bounded))
    }

    /// Whether every range is a single key.
    fn points(&self) -> bool {
        self.ranges.iter().all(|range| range.point)
    }

    /// A walk along an index that gives the order asked for, where no bound narrows.
    fn for_order(entry: &CollectionEntry, sort: Option<&Sort>) -> Option<Self> {
        let sort = sort?;
        let paths = sort.paths();
        if sort.collation() == entry.options.collation()
            && matches!(paths, [(path, _)] if path == "_id")
        {
            return Some(Self::whole(Source::Ids, false));
        }
        let position = entry.indexes.iter().position(|index| {
            !index.multikey
                && !index.options.hidden
                && index.is_complete()
                && index.options.collation.as_ref() == sort.collation()
                && order_of(&index.fields, 0, paths).is_some()
        })?;
        Some(Self::whole(Source::Index(position), false))
    }

    /// Turns the walk so that it gives the order asked for, if it can.
    fn take_order(&mut self, entry: &CollectionEntry, sort: &Sort) {
        let id = [IndexField::ascending("_id")];
        let (fields, collation) = match self.source {
            Source::Collection => return,
            Source::Ids => (&id[..], entry.options.collation()),
            Source::Index(position) => {
                let index = &entry.indexes[position];
                (&index.fields[..], index.options.collation.as_ref())
            }
        };
        if !self.repeats
            && collation == sort.collation()
            && let Some(reverse) = order_of(fields, self.fixed, sort.paths())
        {
            self.reverse = reverse;
            self.sorted = true;
        }
    }
}

/// Whether an index gives the order of `paths`: forwards (`false`), backwards (`true`) or not. The first
/// `fixed` fields have one value each, so they are in any order.
fn order_of(fields: &[IndexField], fixed: usize, paths: &[(String, bool)]) -> Option<bool> {
    if paths.is_empty() {
        return None;
    }
    let (equal, fields) = fields.split_at(fixed.min(fields.len()));
    let varies = |path: &str| !equal.iter().any(|field| field.path == path);
    let mut paths = paths.iter().filter(|(path, _)| varies(path));
    let mut fields = fields.iter();
    let mut turns = paths.by_ref().map(|(path, ascending)| {
        let field = fields.next().filter(|field| field.path == *path && !field.hashed);
        field.map(|field| field.descending == *ascending)
    });
    let Some(first) = turns.next() else { return Some(false) };
    let first = first?;
    turns.all(|turn| turn == Some(first)).then_some(first)
}

fn is_one_point(bounds: &[Interval]) -> bool {
    matches!(bounds, [bound] if bound.low == bound.high)
}

/// Bounds on one field, in the byte order of the index.
fn field_bounds(
    field: &IndexField,
    filter: &Filter,
    multikey: bool,
    collation: Option<&Collation>,
) -> Option<Vec<Interval>> {
    let mut bounds = filter.intervals_in(&field.path, multikey, collation)?;
    if field.hashed && bounds.iter().any(|bound| bound.low != bound.high) {
        return None;
    }
    for bound in &mut bounds {
        if field.descending {
            std::mem::swap(&mut bound.low, &mut bound.high);
        }
        as_stored(field, &mut bound.low);
        as_stored(field, &mut bound.high);
    }
    Some(bounds)
}

/// Bounds on `_id`, whose index has the collation of the collection.
fn id_bounds(entry: &CollectionEntry, filter: &Filter) -> Option<Vec<Interval>> {
    filter.intervals_in("_id", false, entry.options.collation())
}

/// Whether an index holds every document that matches: a partial one by its filter, a sparse one when
/// something must be there on one of its fields.
fn holds_matches(index: &IndexEntry, filter: &Filter) -> bool {
    let options = &index.options;
    let partial = options.partial.as_ref().is_none_or(|partial| filter.implies(partial));
    let present = |field: &IndexField| {
        let bounds = filter.intervals_in(&field.path, true, options.collation.as_ref());
        bounds.is_some_and(|bounds| !bounds.iter().any(|bound| bound.contains(&key::missing())))
    };
    partial && (!options.sparse || index.fields.iter().any(present))
}

/// The key of a `min` or `max`, which names the fields of the index in their order.
fn bound_key(
    bound: &RawDocument,
    fields: &[IndexField],
    collation: Option<&Collation>,
) -> Result<Vec<u8>, Failure> {
    let mut key = Vec::new();
    let mut given = bound.iter();
    for field in fields {
        let (name, value) = given.next().transpose()?.ok_or_else(bad_bounds)?;
        if name.as_str() != field.path {
            return Err(bad_bounds());
        }
        let mut part = key::encode_in(value, collation);
        as_stored(field, &mut part);
        key.extend(part);
    }
    if given.next().is_some() { Err(bad_bounds()) } else { Ok(key) }
}

fn bad_bounds() -> Failure {
    refuse(BAD_BOUNDS, "min() and max() must name the fields of the index of the hint, in order")
}

fn join(left: &Interval, right: &Interval) -> Interval {
    let concat = |a: &[u8], b: &[u8]| [a, b].concat();
    Interval { low: concat(&left.low, &right.low), high: concat(&left.high, &right.high) }
}

/// Sorts the ranges and joins those that overlap.
fn disjoint(mut ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    ranges.retain(|range| range.high.as_ref().is_none_or(|high| *high > range.low));
    ranges.sort_by(|a, b| a.low.cmp(&b.low));
    let mut joined: Vec<KeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.high.as_ref().is_none_or(|high| *high > range.low) => {
                if last.low != range.low || last.high != range.high {
                    last.point = false;
                }
                if last.high.is_some()
                    && range.high.as_ref().is_none_or(|h| Some(h) > last.high.as_ref())
                {
                    last.high = range.high;
                }
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
