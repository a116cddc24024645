//! From rows of the change log to the documents that change streams show, as the manual describes
//! them (<https://www.mongodb.com/docs/manual/reference/change-events/>).

use bson::raw::{BindRawBsonRef, CString, cstr};
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use portolan_model::Namespace;

use super::spec::{Image, Spec};
use super::token::Place;
use crate::error::{Failure, codes, refuse};
use crate::store::{Readable, Snapshot, tick};

/// What a stream is about.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    Collection(Namespace),
    Database(String),
    Cluster,
}

/// A row of the log.
#[derive(Clone, Copy)]
pub(crate) struct Row<'r> {
    row: &'r RawDocument,
}

/// Events that are shown only when `showExpandedEvents` asks for them.
const EXPANDED: &[&str] = &["create", "createIndexes", "dropIndexes", "modify"];

impl<'r> Row<'r> {
    pub(crate) fn new(row: &'r RawDocument) -> Self {
        Self { row }
    }

    fn text(&self, name: &str) -> &'r str {
        self.row.get_str(name).unwrap_or_default()
    }

    fn document(&self, name: &str) -> Option<&'r RawDocument> {
        self.row.get_document(name).ok()
    }

    fn kind(&self) -> &'r str {
        self.text("kind")
    }

    fn new_name(&self) -> Option<(&'r str, &'r str)> {
        let to = self.document("to")?;
        Some((to.get_str("db").ok()?, to.get_str("coll").ok()?))
    }

    /// Whether a stream shows the event.
    pub(crate) fn concerns(&self, scope: &Scope, expanded: bool) -> bool {
        let silent = self.row.get_bool("silent").unwrap_or(false);
        if silent || (!expanded && EXPANDED.contains(&self.kind())) {
            return false;
        }
        let (database, collection) = (self.text("db"), self.text("coll"));
        match scope {
            Scope::Collection(namespace) => {
                let is = |name: (&str, &str)| {
                    name.0 == namespace.database && name.1 == namespace.collection
                };
                is((database, collection)) || self.new_name().is_some_and(is)
            }
            Scope::Database(name) => {
                !collection.starts_with("system.")
                    && (database == name || self.new_name().is_some_and(|to| to.0 == name))
            }
            Scope::Cluster => {
                !collection.starts_with("system.")
                    && !matches!(database, "admin" | "config" | "local")
            }
        }
    }

    /// Whether a stream that shows the event ends with it.
    pub(crate) fn invalidates(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Collection(_) => matches!(self.kind(), "drop" | "rename"),
            Scope::Database(_) => self.kind() == "dropDatabase",
            Scope::Cluster => false,
        }
    }

    /// The event `invalidate` that follows.
    pub(crate) fn invalidate(&self, place: Place) -> RawDocumentBuf {
        self.head("invalidate", place)
    }

    fn head(&self, kind: &str, place: Place) -> RawDocumentBuf {
        let mut event = RawDocumentBuf::new();
        event.append(cstr!("_id"), place.token());
        event.append(cstr!("operationType"), kind);
        event.append(cstr!("clusterTime"), tick::timestamp(place.position.tick));
        if let Ok(Some(wall)) = self.row.get("wall") {
            event.append(cstr!("wallTime"), wall);
        }
        event
    }

    /// The event as a stream shows it.
    pub(crate) fn event(
        &self,
        place: Place,
        spec: &Spec,
        snapshot: &Snapshot,
    ) -> Result<RawDocumentBuf, Failure> {
        let mut event = self.head(self.kind(), place);
        if spec.expanded {
            self.copy(&mut event, "uuid", "collectionUUID")?;
        }
        self.full_document(&mut event, spec.after, snapshot)?;
        event.append(cstr!("ns"), self.namespace());
        self.copy(&mut event, "to", "to")?;
        self.copy(&mut event, "key", "documentKey")?;
        self.update_description(&mut event, spec.expanded)?;
        if spec.expanded {
            self.copy(&mut event, "desc", "operationDescription")?;
        }
        self.before(&mut event, spec.before)?;
        self.copy(&mut event, "lsid", "lsid")?;
        self.copy(&mut event, "txnNumber", "txnNumber")?;
        Ok(event)
    }

    fn copy(&self, event: &mut RawDocumentBuf, from: &str, to: &str) -> Result<(), Failure> {
        match self.row.get(from)? {
            Some(value) => append(event, to, value),
            None => Ok(()),
        }
    }

    fn namespace(&self) -> RawDocumentBuf {
        let mut namespace = RawDocumentBuf::new();
        namespace.append(cstr!("db"), self.text("db"));
        if let Ok(Some(collection)) = self.row.get("coll") {
            namespace.append(cstr!("coll"), collection);
        }
        namespace
    }

    fn full_document(
        &self,
        event: &mut RawDocumentBuf,
        image: Image,
        snapshot: &Snapshot,
    ) -> Result<(), Failure> {
        if let Some(document) = self.document("doc") {
            event.append(cstr!("fullDocument"), document);
            return Ok(());
        }
        if self.kind() != "update" {
            return Ok(());
        }
        match image {
            Image::Off => Ok(()),
            Image::Lookup => {
                let found = self.look_up(snapshot)?;
                append_or_null(event, "fullDocument", found.as_deref())
            }
            Image::WhenAvailable => append_or_null(event, "fullDocument", self.document("post")),
            Image::Required => match self.document("post") {
                Some(document) => append(event, "fullDocument", document),
                None => Err(missing_image("post-image", "update")),
            },
        }
    }

    /// The document as it is now, if its collection is still the same.
    fn look_up(&self, snapshot: &Snapshot) -> Result<Option<RawDocumentBuf>, Failure> {
        let namespace = Namespace {
            database: self.text("db").to_owned(),
            collection: self.text("coll").to_owned(),
        };
        let Some(collection) = snapshot.collection(&namespace)? else { return Ok(None) };
        let same =
            self.row.get_binary("uuid").is_ok_and(|uuid| uuid.bytes == collection.entry.uuid);
        let id = self.document("key").map(|key| key.get("_id")).transpose()?.flatten();
        let (Some(id), true) = (id, same) else { return Ok(None) };
        match collection.ids.get(&collection.entry.id_key(id))? {
            Some(record) => collection.document(crate::store::record_id(record.value())?),
            None => Ok(None),
        }
    }

    fn update_description(
        &self,
        event: &mut RawDocumentBuf,
        expanded: bool,
    ) -> Result<(), Failure> {
        let Some(diff) = self.document("diff") else { return Ok(()) };
        let mut description = RawDocumentBuf::new();
        for field in diff {
            let (name, value) = field?;
            if expanded || name.as_str() != "disambiguatedPaths" {
                description.append(name, value);
            }
        }
        append(event, "updateDescription", description)
    }

    fn before(&self, event: &mut RawDocumentBuf, image: Image) -> Result<(), Failure> {
        if !matches!(self.kind(), "update" | "replace" | "delete") {
            return Ok(());
        }
        match (image, self.document("pre")) {
            (Image::Off, _) => Ok(()),
            (Image::Required, None) => {
                Err(missing_image("pre-image", "update, delete and replace"))
            }
            (_, document) => append_or_null(event, "fullDocumentBeforeChange", document),
        }
    }
}

fn missing_image(image: &str, kinds: &str) -> Failure {
    let message = format!(
        "Change stream was configured to require a {image} for all {kinds} events, but the {image} \
         was not found for an event"
    );
    refuse(codes::NO_MATCHING_DOCUMENT, message)
}

fn append(
    document: &mut RawDocumentBuf,
    name: &str,
    value: impl BindRawBsonRef,
) -> Result<(), Failure> {
    document.append(CString::try_from(name)?, value);
    Ok(())
}

fn append_or_null(
    event: &mut RawDocumentBuf,
    name: &str,
    document: Option<&RawDocument>,
) -> Result<(), Failure> {
    append(event, name, document.map_or(RawBsonRef::Null, RawBsonRef::Document))
}
