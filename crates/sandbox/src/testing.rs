//! A sandbox in a temporary folder, and commands written as documents. For tests only.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, doc};
use futures::StreamExt;
use portolan_model::Namespace;
use portolan_runtime::Runtime;
use portolan_wire::{
    Account, Backend, Command, CommandContext, CommandError, Reply, Tail, User, UserRole,
};

use crate::{Accounts, Sandbox, SandboxOptions};

/// Nobody.
pub(crate) struct NoAccounts;

#[async_trait]
impl Accounts for NoAccounts {
    async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
        None
    }

    async fn users(&self) -> Vec<User> {
        Vec::new()
    }
}

/// An open sandbox and its folder.
pub(crate) struct World {
    _folder: Option<tempfile::TempDir>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) user: Option<User>,
}

pub(crate) async fn open(folder: &std::path::Path, runtime: Runtime) -> Arc<Sandbox> {
    Sandbox::open(folder, SandboxOptions::default(), runtime).await.expect("a sandbox")
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Runtime::system()).await
    }

    pub(crate) async fn with(runtime: Runtime) -> Self {
        Self::opened(runtime, SandboxOptions::default()).await
    }

    /// With a change log that is bounded like this.
    pub(crate) async fn with_log(runtime: Runtime, bytes_max: u64, events_max: u64) -> Self {
        let options = SandboxOptions {
            log_bytes_max: bytes_max,
            log_events_max: events_max,
            ..SandboxOptions::default()
        };
        Self::opened(runtime, options).await
    }

    async fn opened(runtime: Runtime, options: SandboxOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let opened = Sandbox::open(folder.path(), options, runtime).await;
        let sandbox = opened.expect("a sandbox");
        let backend = sandbox.backend(Arc::new(NoAccounts), "127.0.0.1:27017");
        Self { _folder: Some(folder), sandbox, backend, user: None }
    }

    /// On a disk that can lose power and be full.
    pub(crate) async fn on_disk(disk: &crate::store::Disk, runtime: Runtime) -> Self {
        let sandbox = Sandbox::on_disk(disk, runtime).expect("a sandbox");
        let backend = sandbox.backend(Arc::new(NoAccounts), "127.0.0.1:27017");
        Self { _folder: None, sandbox, backend, user: None }
    }

    /// Commands run as a user with these roles from now on.
    pub(crate) fn acting_as(&mut self, roles: &[(&str, &str)]) {
        let roles = roles.iter().map(|(role, database)| UserRole::new(*role, *database)).collect();
        self.user = Some(User { name: "u".into(), database: "admin".into(), roles });
    }

    pub(crate) fn context(&self) -> CommandContext {
        CommandContext {
            connection_id: 1,
            user: self.user.clone(),
            cancelled: tokio_util::sync::CancellationToken::new(),
        }
    }

    /// Runs a command on a database; the documents of a cursor come as `documents`.
    pub(crate) async fn on(
        &self,
        database: &str,
        command: Document,
    ) -> Result<Document, CommandError> {
        let body = RawDocumentBuf::try_from(&command).expect("a document");
        let command = Command::new(database, body).expect("a command");
        match self.backend.run(&self.context(), command).await? {
            Reply::Document(reply) => Ok(Document::try_from(&reply).expect("a document")),
            Reply::Cursor(cursor) => {
                let mut documents = Vec::new();
                let mut stream = cursor.documents;
                while let Some(document) = stream.next().await {
                    documents.push(Document::try_from(&document?).expect("a document"));
                }
                let documents: Vec<bson::Bson> = documents.into_iter().map(Into::into).collect();
                let mut reply = doc! { "ns": cursor.namespace, "documents": documents };
                if let Some(time) = cursor.at_cluster_time {
                    reply.insert("atClusterTime", time);
                }
                if let Some(beside) = cursor.beside {
                    reply.extend(Document::try_from(&beside).expect("a document"));
                }
                Ok(reply)
            }
            Reply::Tail(tail) => panic!("{} has no end", tail.namespace),
        }
    }

    /// Opens a change stream.
    pub(crate) async fn watch(
        &self,
        database: &str,
        command: Document,
    ) -> Result<Box<dyn Tail>, CommandError> {
        let body = RawDocumentBuf::try_from(&command).expect("a document");
        let command = Command::new(database, body).expect("a command");
        match self.backend.run(&self.context(), command).await? {
            Reply::Tail(reply) => Ok(reply.tail),
            _ => panic!("no change stream"),
        }
    }

    /// Runs a command on the database `db`.
    pub(crate) async fn run(&self, command: Document) -> Document {
        let shown = command.to_string();
        self.on("db", command).await.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    /// Runs a command that must fail.
    pub(crate) async fn fails(&self, command: Document) -> CommandError {
        let shown = command.to_string();
        match self.on("db", command).await {
            Err(error) => error,
            Ok(reply) => panic!("{shown} should fail, but gave {reply}"),
        }
    }

    pub(crate) async fn insert(&self, collection: &str, documents: Vec<Document>) {
        let reply = self.run(doc! { "insert": collection, "documents": documents }).await;
        assert!(!reply.contains_key("writeErrors"), "{reply}");
    }

    pub(crate) async fn find(&self, collection: &str, filter: Document) -> Vec<Document> {
        self.documents(doc! { "find": collection, "filter": filter }).await
    }

    /// The documents of a command that returns a cursor.
    pub(crate) async fn documents(&self, command: Document) -> Vec<Document> {
        let reply = self.run(command).await;
        let documents = reply.list("documents").expect("a cursor");
        documents.iter().map(|one| one.as_document().expect("a document").clone()).collect()
    }

    /// Checks that the indexes fit the documents.
    pub(crate) async fn assert_sound(&self, collection: &str) {
        let reply = self.run(doc! { "validate": collection }).await;
        assert_eq!(reply.flag("valid"), Ok(true), "{reply}");
    }
}

pub(crate) fn namespace(collection: &str) -> Namespace {
    Namespace::new("db", collection).expect("a namespace")
}

/// The values of a field.
pub(crate) fn field(documents: &[Document], name: &str) -> Vec<i32> {
    documents.iter().map(|document| document.int(name).unwrap_or(-1)).collect()
}

/// Reads fields with results that can be compared.
pub(crate) trait Fields {
    fn int(&self, name: &str) -> Result<i32, ()>;
    fn double(&self, name: &str) -> Result<f64, ()>;
    fn flag(&self, name: &str) -> Result<bool, ()>;
    fn text(&self, name: &str) -> Result<&str, ()>;
    fn sub(&self, name: &str) -> Result<&Document, ()>;
    fn list(&self, name: &str) -> Result<&Vec<bson::Bson>, ()>;
}

impl Fields for Document {
    fn int(&self, name: &str) -> Result<i32, ()> {
        self.get_i32(name).map_err(|_| ())
    }

    fn double(&self, name: &str) -> Result<f64, ()> {
        self.get_f64(name).map_err(|_| ())
    }

    fn flag(&self, name: &str) -> Result<bool, ()> {
        self.get_bool(name).map_err(|_| ())
    }

    fn text(&self, name: &str) -> Result<&str, ()> {
        self.get_str(name).map_err(|_| ())
    }

    fn sub(&self, name: &str) -> Result<&Document, ()> {
        self.get_document(name).map_err(|_| ())
    }

    fn list(&self, name: &str) -> Result<&Vec<bson::Bson>, ()> {
        self.get_array(name).map_err(|_| ())
    }
}

/// Does to a document what `updateDescription` says.
pub(crate) fn apply_diff(document: &mut Document, diff: &Document) {
    let part = |name: &str| diff.get_document(name).expect("a part");
    let parts = |path: &str| match part("disambiguatedPaths").get_array(path) {
        Ok(parts) => parts.iter().map(step).collect::<Vec<_>>(),
        Err(_) => path.split('.').map(|part| step(&bson::Bson::from(part))).collect(),
    };
    for name in diff.list("removedFields").expect("a list") {
        let path = parts(name.as_str().expect("a path"));
        let (last, way) = path.split_last().expect("a part");
        match (last, walk(document, way)) {
            (Step::Field(name), Place::Document(inside)) => drop(inside.remove(name)),
            _ => panic!("{name} cannot be removed"),
        }
    }
    for (path, value) in part("updatedFields") {
        let path = parts(path);
        let (last, way) = path.split_last().expect("a part");
        match (last, walk(document, way)) {
            (Step::Field(name), Place::Document(inside)) => drop(inside.insert(name, value)),
            (Step::Index(index), Place::Array(inside)) if *index < inside.len() => {
                inside[*index] = value.clone();
            }
            (Step::Index(_), Place::Array(inside)) => inside.push(value.clone()),
            (Step::Index(index), Place::Document(inside)) => {
                inside.insert(index.to_string(), value);
            }
            _ => panic!("nothing can be set there"),
        }
    }
    for array in diff.list("truncatedArrays").expect("a list") {
        let array = array.as_document().expect("an array");
        let Place::Array(inside) = walk(document, &parts(array.text("field").expect("a path")))
        else {
            panic!("{array} is no array");
        };
        let size = array.int("newSize").expect("a size");
        inside.truncate(size.try_into().expect("a size"));
    }
}

enum Step {
    Field(String),
    Index(usize),
}

enum Place<'d> {
    Document(&'d mut Document),
    Array(&'d mut Vec<bson::Bson>),
}

fn step(part: &bson::Bson) -> Step {
    match part {
        bson::Bson::Int32(index) => Step::Index((*index).try_into().expect("an index")),
        part => {
            let name = part.as_str().expect("a name");
            name.parse().map_or_else(|_| Step::Field(name.to_owned()), Step::Index)
        }
    }
}

fn walk<'d>(document: &'d mut Document, way: &[Step]) -> Place<'d> {
    let mut place = Place::Document(document);
    for step in way {
        let inside = match (place, step) {
            (Place::Document(document), Step::Field(name)) => document.get_mut(name),
            (Place::Document(document), Step::Index(index)) => document.get_mut(index.to_string()),
            (Place::Array(array), Step::Index(index)) => array.get_mut(*index),
            (Place::Array(_), Step::Field(_)) => None,
        };
        place = match inside {
            Some(bson::Bson::Document(document)) => Place::Document(document),
            Some(bson::Bson::Array(array)) => Place::Array(array),
            _ => panic!("a path leads nowhere"),
        };
    }
    place
}

/// The same with the fields of every document in the order of their names.
pub(crate) fn sorted(document: &Document) -> Document {
    let mut fields: Vec<_> = document.iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    fields.into_iter().map(|(name, value)| (name.clone(), sorted_value(value))).collect()
}

fn sorted_value(value: &bson::Bson) -> bson::Bson {
    match value {
        bson::Bson::Document(document) => bson::Bson::Document(sorted(document)),
        bson::Bson::Array(array) => bson::Bson::Array(array.iter().map(sorted_value).collect()),
        other => other.clone(),
    }
}
