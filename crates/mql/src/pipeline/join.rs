//! `$lookup`: documents of another collection beside each document.
//!
//! An equality alone reads through an index of the other collection where there is one, and
//! otherwise puts the collection into a hash table, once, as long as memory allows. A sub-pipeline
//! runs once for each document, with the values of `let`; one that depends on no document runs once.

use std::collections::{BTreeSet, HashMap};

use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::parse::too_much_memory;
use super::{Pipeline, sub};
use crate::expr::{Expr, FieldPath, append, check_size};
use crate::mutate::{set, split};
use crate::path::{Path, visit};
use crate::{Collation, Context, Filter, MqlError, Others, Result, key};

/// A parsed `$lookup`.
#[derive(Debug)]
pub(super) struct Lookup {
    /// `None`: the sub-pipeline begins with documents of its own.
    from: Option<String>,
    to: Vec<String>,
    equality: Option<Equality>,
    variables: Vec<(String, Expr)>,
    stages: Vec<RawDocumentBuf>,
    context: Context,
    others: Others,
}

#[derive(Debug)]
struct Equality {
    local: FieldPath,
    foreign: String,
    path: Path,
}

/// What one execution of a `$lookup` remembers.
#[derive(Debug, Default)]
pub(super) struct Joining {
    table: Option<Strategy>,
    /// The result of a sub-pipeline that depends on no document.
    constant: Option<Vec<RawDocumentBuf>>,
}

/// How documents with an equal value are found.
#[derive(Debug)]
enum Strategy {
    /// One reading for each document.
    Read,
    Hash(HashTable),
}

#[derive(Debug, Default)]
struct HashTable {
    docs: Vec<RawDocumentBuf>,
    places: HashMap<Vec<u8>, Vec<usize>>,
}

impl Lookup {
    pub(super) fn parse(spec: &RawDocument, context: &Context) -> Result<Self> {
        let Some(others) = context.others.clone() else {
            return Err(MqlError::not_implemented("$lookup"));
        };
        let mut fields = HashMap::new();
        for field in spec {
            let (name, value) = field?;
            let known = ["from", "as", "localField", "foreignField", "let", "pipeline"];
            if !known.contains(&name.as_str()) {
                let message = format!("unknown argument to $lookup: {}", name.as_str());
                return Err(MqlError::failed_to_parse(message));
            }
            fields.insert(name.as_str(), value);
        }
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(*text)),
            Some(_) => {
                let message = format!("$lookup argument '{name}' must be a string");
                Err(MqlError::failed_to_parse(message))
            }
        };
        let to = text("as")?.ok_or_else(|| needs("as"))?;
        FieldPath::parse(to)?;
        let equality = match (text("localField")?, text("foreignField")?) {
            (None, None) => None,
            (Some(local), Some(foreign)) => Some(Equality {
                local: FieldPath::parse(local)?,
                foreign: foreign.to_owned(),
                path: Path::new(foreign),
            }),
            _ => {
                let message = "$lookup requires both or neither of 'localField' and \
                               'foreignField' to be specified";
                return Err(MqlError::failed_to_parse(message));
            }
        };
        let stages = match fields.get("pipeline") {
            None if equality.is_none() => return Err(needs("pipeline")),
            None => Vec::new(),
            Some(value) => sub::stages("$lookup", *value)?,
        };
        let lookup = Self {
            from: text("from")?.map(str::to_owned),
            to: split(to),
            equality,
            variables: variables(fields.get("let").copied(), context)?,
            stages,
            context: context.clone(),
            others,
        };
        if lookup.from.is_none() && !sub::begins_with_documents(&lookup.stages) {
            return Err(needs("from"));
        }
        // Mistakes in the sub-pipeline are told before any document is read.
        lookup.pipeline(&RawDocumentBuf::new())?;
        Ok(lookup)
    }

    /// The sub-pipeline with the values that the variables have for a document.
    fn pipeline(&self, doc: &RawDocument) -> Result<Pipeline> {
        let mut context = self.context.clone();
        for (name, expr) in &self.variables {
            let value = expr.evaluate(doc)?.into_raw().unwrap_or(RawBson::Undefined);
            context.vars.retain(|(known, _)| known != name);
            context.vars.push((name.clone(), bson::Bson::try_from(value)?));
        }
        sub::parse(&self.stages, &context)
    }

    /// The document with what belongs to it.
    pub(super) fn apply(
        &self,
        state: &mut Joining,
        doc: &RawDocument,
        memory_bytes: usize,
    ) -> Result<RawDocumentBuf> {
        let found = self.found(state, doc, memory_bytes)?;
        let mut array = RawArrayBuf::new();
        for document in found {
            array.push(document);
            check_size(array.as_bytes().len())?;
        }
        set(doc, &self.to, Some(RawBsonRef::Array(&array)))
    }

    fn found(
        &self,
        state: &mut Joining,
        doc: &RawDocument,
        memory_bytes: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        let Some(equality) = &self.equality else {
            return self.through_pipeline(state, doc, memory_bytes);
        };
        let equal = self.equal(state, equality, doc, memory_bytes)?;
        if self.stages.is_empty() {
            return Ok(equal);
        }
        self.pipeline(doc)?.run(equal.into_iter().map(Ok)).collect()
    }

    fn through_pipeline(
        &self,
        state: &mut Joining,
        doc: &RawDocument,
        memory_bytes: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        if let Some(constant) = &state.constant {
            return Ok(constant.clone());
        }
        let mut found = Vec::new();
        let mut bytes = 0;
        for document in sub::run(&self.others, self.from.as_deref(), &self.pipeline(doc)?)? {
            let document = document?;
            bytes += document.as_bytes().len();
            if bytes > memory_bytes {
                return Err(too_much_memory("$lookup", memory_bytes));
            }
            found.push(document);
        }
        if self.variables.is_empty() {
            state.constant = Some(found.clone());
        }
        Ok(found)
    }

    /// The documents whose field equals the document's.
    fn equal(
        &self,
        state: &mut Joining,
        equality: &Equality,
        doc: &RawDocument,
        memory_bytes: usize,
    ) -> Result<Vec<RawDocumentBuf>> {
        let from = self.from.as_deref().unwrap_or_default();
        let strategy = match &mut state.table {
            Some(strategy) => strategy,
            empty => empty.insert(self.strategy(from, equality, memory_bytes)?),
        };
        let value = equality.local.of_document(doc)?;
        let wanted: Vec<RawBsonRef<'_>> = match value.get() {
            Some(RawBsonRef::Array(array)) => {
                array.into_iter().collect::<std::result::Result<_, _>>()?
            }
            other => vec![other.unwrap_or(RawBsonRef::Null)],
        };
        match strategy {
            Strategy::Hash(table) => Ok(table.find(&wanted, self.context.collation.as_ref())),
            Strategy::Read => {
                let filter = equalities(&equality.foreign, &wanted)?;
                let filter = Filter::parse(&filter, &self.context)?;
                self.others.read(from, &filter)?.collect()
            }
        }
    }

    fn strategy(&self, from: &str, equality: &Equality, memory_bytes: usize) -> Result<Strategy> {
        if self.others.is_indexed(from, &equality.foreign)? {
            return Ok(Strategy::Read);
        }
        let everything = Filter::parse(&RawDocumentBuf::new(), &self.context)?;
        let (mut table, mut bytes) = (HashTable::default(), 0);
        for document in self.others.read(from, &everything)? {
            let document = document?;
            bytes += document.as_bytes().len();
            if bytes > memory_bytes {
                return Ok(Strategy::Read);
            }
            table.add(document, &equality.path, self.context.collation.as_ref())?;
        }
        Ok(Strategy::Hash(table))
    }
}

impl HashTable {
    /// Enters a document under every value that its path means.
    fn add(
        &mut self,
        doc: RawDocumentBuf,
        path: &Path,
        collation: Option<&Collation>,
    ) -> Result<()> {
        let mut keys = BTreeSet::new();
        visit(&doc, path, true, &mut |value, _| {
            keys.insert(join_key(value, collation));
            Ok(false)
        })?;
        for key in keys {
            self.places.entry(key).or_default().push(self.docs.len());
        }
        self.docs.push(doc);
        Ok(())
    }

    fn find(
        &self,
        wanted: &[RawBsonRef<'_>],
        collation: Option<&Collation>,
    ) -> Vec<RawDocumentBuf> {
        let mut places = BTreeSet::new();
        for value in wanted {
            let found = self.places.get(&join_key(Some(*value), collation));
            places.extend(found.into_iter().flatten().copied());
        }
        places.into_iter().map(|place| self.docs[place].clone()).collect()
    }
}

/// Equal for values that filters call equal: missing, null and undefined are.
fn join_key(value: Option<RawBsonRef<'_>>, collation: Option<&Collation>) -> Vec<u8> {
    match value {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => key::missing(),
        Some(value) => key::encode_in(value, collation),
    }
}

/// A filter for the values; a regular expression is a value here, not a pattern.
fn equalities(path: &str, values: &[RawBsonRef<'_>]) -> Result<RawDocumentBuf> {
    let mut list = RawArrayBuf::new();
    for value in values {
        match value {
            RawBsonRef::Undefined => list.push(RawBsonRef::Null),
            RawBsonRef::RegularExpression(_) => {
                return Err(MqlError::not_implemented("$lookup by a regular expression"));
            }
            value => list.push(*value),
        }
    }
    let mut condition = RawDocumentBuf::new();
    append(&mut condition, "$in", RawBsonRef::Array(&list))?;
    let mut filter = RawDocumentBuf::new();
    append(&mut filter, path, RawBsonRef::Document(&condition))?;
    Ok(filter)
}

fn needs(argument: &str) -> MqlError {
    MqlError::failed_to_parse(format!("must specify '{argument}' field for a $lookup"))
}

fn variables(value: Option<RawBsonRef<'_>>, context: &Context) -> Result<Vec<(String, Expr)>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let Some(spec) = value.as_document() else {
        let message = "$lookup argument 'let' must be an object";
        return Err(MqlError::failed_to_parse(message));
    };
    let mut found = Vec::new();
    for field in spec {
        let (name, value) = field?;
        crate::expr::check_variable(name.as_str())?;
        found.push((name.as_str().to_owned(), Expr::parse(value, context)?));
    }
    Ok(found)
}
