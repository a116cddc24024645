//! A sandbox in a temporary folder, and commands written as documents. For tests only.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, doc};
use futures::StreamExt;
use portolan_model::Namespace;
use portolan_runtime::Runtime;
use portolan_wire::{
    Account, Backend, Command, CommandContext, CommandError, Reply, User, UserRole,
};

use crate::{Accounts, Sandbox, SandboxOptions};

/// Nobody.
pub(crate) struct NoAccounts;

#[async_trait]
impl Accounts for NoAccounts {
    async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
        None
    }
}

/// An open sandbox and its folder.
pub(crate) struct World {
    _folder: tempfile::TempDir,
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
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = open(folder.path(), runtime).await;
        let backend = sandbox.backend(Arc::new(NoAccounts), "127.0.0.1:27017");
        Self { _folder: folder, sandbox, backend, user: None }
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
                Ok(doc! { "ns": cursor.namespace, "documents": documents })
            }
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
