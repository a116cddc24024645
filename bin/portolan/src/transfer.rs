//! `portolan cluster import` and `export`: documents between files and a cluster that speaks the
//! MongoDB protocol. Three formats, by the name of the file: `.bson` (documents one behind the other),
//! `.ndjson` or `.jsonl` (one document in extended JSON per line), `.archive` (mongodump's `--archive`); each
//! of them also gzipped, as `.gz`.
//!
//! An import is not one transaction: what was inserted before an error stays, and the error says how
//! much that is.

mod archive;
mod bson_file;
mod gzip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use mongodb::{Client, Collection, Database};
use serde_json::{Value, json};

use crate::cli::{ClusterUri, Export, Import};
use archive::{ArchiveReader, ArchiveWriter, Described, Name};

/// Documents and bytes of one insert.
const BATCH_DOCUMENTS: usize = 1_000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

enum Format {
    Bson,
    Lines,
    Archive,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let (named, _) = gzip::strip(path);
        match named.extension().and_then(|extension| extension.to_str()) {
            Some("bson") => Ok(Self::Bson),
            Some("ndjson" | "jsonl" | "json") => Ok(Self::Lines),
            Some("archive") => Ok(Self::Archive),
            _ => bail!(
                "{}: the name must end in .bson, .ndjson or .archive (or that and .gz)",
                path.display()
            ),
        }
    }
}

async fn connect(of: &ClusterUri) -> Result<Client> {
    let uri = match (&of.uri_file, &of.uri) {
        (Some(file), _) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        (None, Some(uri)) => uri.clone(),
        (None, None) => bail!("name the cluster: --uri-file FILE, or PORTOLAN_CLUSTER_URI"),
    };
    Client::with_uri_str(uri.trim()).await.context("the connection string cannot be used")
}

fn name_of(namespace: &str) -> Result<Name> {
    match namespace.split_once('.') {
        Some((database, collection)) if !database.is_empty() && !collection.is_empty() => {
            Ok((database.to_owned(), collection.to_owned()))
        }
        _ => bail!("'{namespace}' is no namespace; write DATABASE.COLLECTION"),
    }
}

/// Reads a file into a cluster; tells what went where.
pub(crate) async fn import(import: &Import) -> Result<Value> {
    let format = Format::of(&import.file)?;
    let file = File::open(&import.file)
        .with_context(|| format!("cannot open {}", import.file.display()))?;
    let input = gzip::open(file)?;
    let client = connect(&import.cluster).await?;
    let mut load = Load { client, waiting: BTreeMap::new(), inserted: BTreeMap::new() };
    let done = match format {
        Format::Archive => {
            ensure!(import.namespace.is_none(), "an archive names its collections itself");
            load.archive(input, import.drop).await
        }
        Format::Bson | Format::Lines => {
            let namespace =
                import.namespace.as_deref().context("say where: --namespace DB.COLLECTION")?;
            let name = name_of(namespace)?;
            if import.drop {
                load.collection(&name).drop().await?;
            }
            match format {
                Format::Lines => load.lines(input, &name).await,
                _ => load.bson(input, &name).await,
            }
        }
    };
    let told = load.told();
    done.with_context(|| format!("inserted before: {told}"))?;
    Ok(json!({ "inserted": told }))
}

/// Documents on their way into a cluster.
struct Load {
    client: Client,
    waiting: BTreeMap<Name, Batch>,
    inserted: BTreeMap<Name, u64>,
}

#[derive(Default)]
struct Batch {
    documents: Vec<RawDocumentBuf>,
    size_bytes: usize,
}

impl Load {
    fn collection(&self, name: &Name) -> Collection<RawDocumentBuf> {
        self.client.database(&name.0).collection(&name.1)
    }

    fn told(&self) -> Value {
        let counts = self.inserted.iter();
        counts.map(|((db, name), count)| (format!("{db}.{name}"), json!(count))).collect()
    }

    async fn bson(&mut self, mut input: impl Read, name: &Name) -> Result<()> {
        while let Some(document) = bson_file::read_document(&mut input)? {
            self.add(name, document).await?;
        }
        self.flush(name).await
    }

    async fn lines(&mut self, input: impl BufRead, name: &Name) -> Result<()> {
        for (number, line) in input.lines().enumerate() {
            let line = line?;
            if !line.trim().is_empty() {
                let document = parse_line(&line).with_context(|| format!("line {}", number + 1))?;
                self.add(name, document).await?;
            }
        }
        self.flush(name).await
    }

    async fn archive(&mut self, input: impl Read, drop: bool) -> Result<()> {
        let (mut reader, described) = ArchiveReader::open(input)?;
        let wanted: Vec<_> = described.into_iter().filter(|one| !is_internal(&one.name)).collect();
        for one in &wanted {
            if drop {
                self.collection(&one.name).drop().await?;
            }
            create(&self.client.database(&one.name.0), one).await?;
        }
        while let Some((name, document)) = reader.next()? {
            if !is_internal(&name) {
                self.add(&name, document).await?;
            }
        }
        let names: Vec<Name> = self.waiting.keys().cloned().collect();
        for name in names {
            self.flush(&name).await?;
        }
        for one in &wanted {
            index(&self.client.database(&one.name.0), one).await?;
        }
        Ok(())
    }

    async fn add(&mut self, name: &Name, document: RawDocumentBuf) -> Result<()> {
        let batch = self.waiting.entry(name.clone()).or_default();
        batch.size_bytes += document.as_bytes().len();
        batch.documents.push(document);
        if batch.documents.len() >= BATCH_DOCUMENTS || batch.size_bytes >= BATCH_BYTES {
            self.flush(name).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, name: &Name) -> Result<()> {
        let batch = self.waiting.remove(name).unwrap_or_default();
        let count = batch.documents.len() as u64;
        if count > 0 {
            self.collection(name).insert_many(batch.documents).await?;
        }
        *self.inserted.entry(name.clone()).or_default() += count;
        Ok(())
    }
}

fn parse_line(line: &str) -> Result<RawDocumentBuf> {
    let value: serde_json::Map<String, Value> = serde_json::from_str(line)?;
    Ok(RawDocumentBuf::try_from(&Document::try_from(value)?)?)
}

/// Collections that a server keeps for itself, such as its users.
fn is_internal(name: &Name) -> bool {
    matches!(name.0.as_str(), "admin" | "config" | "local") || name.1.starts_with("system.")
}

fn metadata(one: &Described) -> Result<Document> {
    if one.metadata.is_empty() {
        return Ok(Document::new());
    }
    let value: serde_json::Map<String, Value> = serde_json::from_str(&one.metadata)?;
    Document::try_from(value)
        .with_context(|| format!("the description of {}.{}", one.name.0, one.name.1))
}

/// Makes a collection that has options; others come into being with their first document.
async fn create(database: &Database, one: &Described) -> Result<()> {
    let mut command = doc! { "create": &one.name.1 };
    let options = metadata(one)?;
    command.extend(options.get_document("options").cloned().unwrap_or_default());
    if let Err(error) = database.run_command(command).await {
        // It may be there already; then the documents join those that it has.
        ensure!(code_of(&error) == Some(48), "making {}.{}: {error}", one.name.0, one.name.1);
    }
    Ok(())
}

fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(refusal) => Some(refusal.code),
        _ => None,
    }
}

async fn index(database: &Database, one: &Described) -> Result<()> {
    let described = metadata(one)?;
    let listed = described.get_array("indexes").cloned().unwrap_or_default();
    let own = |index: &Bson| {
        index
            .as_document()
            .is_some_and(|index| index.get_str("name").is_ok_and(|name| name != "_id_"))
    };
    let indexes: Vec<Bson> = listed.into_iter().filter(own).collect();
    if !indexes.is_empty() {
        let command = doc! { "createIndexes": &one.name.1, "indexes": indexes };
        database.run_command(command).await.with_context(|| format!("indexing {}", one.name.1))?;
    }
    Ok(())
}

/// Writes a collection, or a whole database into an archive, to a new file; tells what was written.
pub(crate) async fn export(export: &Export) -> Result<Value> {
    let format = Format::of(&export.file)?;
    let client = connect(&export.cluster).await?;
    let names = match export.namespace.contains('.') {
        true => vec![name_of(&export.namespace)?],
        false => whole_database(&client, &export.namespace, &format).await?,
    };
    let file = File::create_new(&export.file)
        .with_context(|| format!("cannot make {}", export.file.display()))?;
    let (_, gzipped) = gzip::strip(&export.file);
    let mut output = gzip::Output::new(file, gzipped);
    let mut written = BTreeMap::new();
    match format {
        Format::Archive => write_archive(&client, &names, &mut output, &mut written).await?,
        Format::Bson | Format::Lines => {
            for name in &names {
                let lines = matches!(format, Format::Lines);
                let count = write_documents(&client, name, &mut output, lines).await?;
                written.insert(name.clone(), count);
            }
        }
    }
    output.finish()?;
    let written: Value = written
        .into_iter()
        .map(|((db, name), count): (Name, u64)| (format!("{db}.{name}"), json!(count)))
        .collect();
    Ok(json!({ "exported": written }))
}

async fn whole_database(client: &Client, database: &str, format: &Format) -> Result<Vec<Name>> {
    ensure!(
        matches!(format, Format::Archive),
        "a whole database goes into an .archive; name one collection: DATABASE.COLLECTION"
    );
    let filter = doc! { "type": "collection" };
    let listed = client.database(database).list_collections().filter(filter).await?;
    let listed: Vec<_> = listed.try_collect().await?;
    let mut names: Vec<Name> =
        listed.into_iter().map(|one| (database.to_owned(), one.name)).collect();
    names.retain(|name| !is_internal(name));
    names.sort();
    Ok(names)
}

async fn write_documents(
    client: &Client,
    name: &Name,
    output: &mut impl Write,
    lines: bool,
) -> Result<u64> {
    let collection: Collection<RawDocumentBuf> = client.database(&name.0).collection(&name.1);
    let mut documents = collection.find(doc! {}).await?;
    let mut count = 0;
    while let Some(document) = documents.try_next().await? {
        if lines {
            let document = Document::try_from(&document)?;
            writeln!(output, "{}", Bson::Document(document).into_canonical_extjson())?;
        } else {
            bson_file::write_document(output, &document)?;
        }
        count += 1;
    }
    Ok(count)
}

async fn write_archive(
    client: &Client,
    names: &[Name],
    output: impl Write,
    written: &mut BTreeMap<Name, u64>,
) -> Result<()> {
    let mut described = Vec::new();
    for name in names {
        described.push(describe(&client.database(&name.0), name).await?);
    }
    let mut archive = ArchiveWriter::begin(output, &described)?;
    for name in names {
        let collection: Collection<RawDocumentBuf> = client.database(&name.0).collection(&name.1);
        let mut documents = collection.find(doc! {}).await?;
        let mut writer = archive.collection(name)?;
        let mut count = 0;
        while let Some(document) = documents.try_next().await? {
            writer.document(&document)?;
            count += 1;
        }
        writer.end()?;
        written.insert(name.clone(), count);
    }
    archive.finish()?;
    Ok(())
}

async fn describe(database: &Database, name: &Name) -> Result<Described> {
    let listing = doc! { "listCollections": 1, "filter": { "name": &name.1 } };
    let listed = database.run_cursor_command(listing).await?;
    let listed: Vec<Document> = listed.try_collect().await?;
    let first =
        listed.into_iter().next().with_context(|| format!("there is no {}.{}", name.0, name.1))?;
    let indexes = database.run_cursor_command(doc! { "listIndexes": &name.1 }).await?;
    let indexes: Vec<Document> = indexes.try_collect().await?;
    let metadata = doc! {
        "indexes": indexes,
        "collectionName": &name.1,
        "type": "collection",
        "options": first.get_document("options").cloned().unwrap_or_default(),
    };
    let metadata = Bson::Document(metadata).into_canonical_extjson().to_string();
    Ok(Described { name: name.clone(), metadata })
}

#[cfg(test)]
mod tests;
