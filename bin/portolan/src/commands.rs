//! `portolan cluster …` and `portolan archive …`: HTTP clients of a running instance. They print the
//! server's answer as indented JSON, so that scripts can read it. `portolan openapi` needs none.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use portolan_runtime::Runtime;
use serde_json::{Value, json};

use crate::cli::{
    ArchiveCommand, Attach, AttachArchive, ClusterCommand, Connection, InProject, OfArchive,
    OfCluster, Redact, RestoreDocuments,
};
use crate::client::ApiClient;
use crate::quickstart::Summary;
use crate::transfer;

/// Time between two looks at an operation that is waited for.
const FOLLOW_MS: u64 = 500;

/// Prints the API description. Its server is the one it would be asked on.
pub(crate) fn openapi() -> Result<()> {
    print(&portolan_admin_api::openapi("/", env!("CARGO_PKG_VERSION")))
}

/// Runs a command about clusters.
pub(crate) async fn cluster(command: ClusterCommand) -> Result<()> {
    match command {
        ClusterCommand::Attach(attach) => attach_cluster(attach).await,
        ClusterCommand::List(project) => {
            let (api, group) = open(&project).await?;
            print(&api.get(&format!("/api/atlas/v2/groups/{group}/clusters")).await?)
        }
        ClusterCommand::ConnectionStrings(of) => {
            let (api, path) = own_cluster_path(&of).await?;
            print(&api.get(&format!("{path}/connectionStrings")).await?)
        }
        ClusterCommand::Import(import) => print(&transfer::import(&import).await?),
        ClusterCommand::Export(export) => print(&transfer::export(&export).await?),
    }
}

/// Runs a command about online archives.
pub(crate) async fn archive(command: ArchiveCommand) -> Result<()> {
    match command {
        ArchiveCommand::List(of) => {
            let (api, group) = open(&of.project).await?;
            let path =
                format!("/api/atlas/v2/groups/{group}/clusters/{}/onlineArchives", of.cluster);
            print(&api.get(&path).await?)
        }
        ArchiveCommand::Attach(attach) => attach_archive(&attach).await,
        ArchiveCommand::Runs(runs) => {
            let run = runs.run.as_deref().map(|id| format!("/{id}")).unwrap_or_default();
            let page = format!("pageNum={}&itemsPerPage={}", runs.page, runs.per_page);
            show(&runs.archive, &format!("/runs{run}?{page}")).await
        }
        ArchiveCommand::Show(of) => show(&of, "").await,
        ArchiveCommand::Statistics(of) => show(&of, "/statistics").await,
        ArchiveCommand::Operations(of) => show(&of, "/operations").await,
        ArchiveCommand::ExpiryPreview(preview) => {
            let days = preview.expire_after_days;
            let query = days.map(|days| format!("?expireAfterDays={days}")).unwrap_or_default();
            show(&preview.archive, &format!(":expiryPreview{query}")).await
        }
        ArchiveCommand::Explain(of) => show(&of, ":explain").await,
        ArchiveCommand::Estimate(of) => print(&follow(&of, ":estimate", json!({})).await?),
        ArchiveCommand::Verify(verify) => {
            let body = json!({ "againstCluster": verify.against_cluster });
            let done = follow(&verify.archive, ":verify", body).await?;
            print(&done)?;
            ensure!(done["progress"]["sound"] == true, "the archive is not sound");
            Ok(())
        }
        ArchiveCommand::Restore(restore) => restore_documents(&restore).await,
        ArchiveCommand::Redact(redact) => redact_document(&redact).await,
        ArchiveCommand::Run(of) => ask(&of, ":run", json!({})).await,
        ArchiveCommand::Hold(hold) => {
            ask(&hold.archive, ":hold", json!({ "reason": hold.reason })).await
        }
        ArchiveCommand::Release(of) => ask(&of, ":release", json!({})).await,
        ArchiveCommand::Undelete(of) => ask(&of, ":undelete", json!({})).await,
        ArchiveCommand::Resume(resume) => {
            let body = json!({ "accept": resume.accept, "level": resume.level });
            ask(&resume.archive, ":resume", without_nulls(body)).await
        }
        ArchiveCommand::Reattach(reattach) => {
            let body = json!({
                "dbName": reattach.database,
                "collName": reattach.collection,
                "otherCollection": reattach.other_collection,
            });
            ask(&reattach.archive, ":reattach", without_nulls(body)).await
        }
    }
}

async fn restore_documents(restore: &RestoreDocuments) -> Result<()> {
    let body = json!({
        "filter": restore.filter,
        "dbName": restore.to_database,
        "collName": restore.to_collection,
        "onConflict": if restore.stop_at_conflict { "STOP" } else { "SKIP" },
        "preview": restore.preview,
    });
    print(&follow(&restore.archive, ":restore", without_nulls(body)).await?)
}

async fn redact_document(redact: &Redact) -> Result<()> {
    let id = extended_json("--id", &redact.id)?;
    let shard_key = redact.shard_key.as_deref();
    let shard_key = shard_key.map(|text| extended_json("--shard-key", text)).transpose()?;
    let body = json!({
        "_id": id,
        "reason": redact.reason,
        "evenIfLive": redact.even_if_live,
        "shardKey": shard_key,
    });
    print(&follow(&redact.archive, ":redact", without_nulls(body)).await?)
}

fn extended_json(flag: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{flag} {text} is no extended JSON"))
}

async fn show(of: &OfArchive, what: &str) -> Result<()> {
    let (api, path) = own_cluster_path(&of.cluster).await?;
    print(&api.get(&format!("{path}/onlineArchives/{}{what}", of.archive)).await?)
}

async fn ask(of: &OfArchive, what: &str, body: Value) -> Result<()> {
    let (api, path) = own_cluster_path(&of.cluster).await?;
    print(&api.post(&format!("{path}/onlineArchives/{}{what}", of.archive), &body).await?)
}

/// What was not given is left out.
fn without_nulls(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

/// Queues an operation and waits until it ended.
async fn follow(of: &OfArchive, what: &str, body: Value) -> Result<Value> {
    let (api, path) = own_cluster_path(&of.cluster).await?;
    let path = format!("{path}/onlineArchives/{}", of.archive);
    let queued = api.post(&format!("{path}{what}"), &body).await?;
    let id = queued["_id"].as_str().context("the answer names no operation")?;
    let mut told = Value::Null;
    loop {
        let operation = api.get(&format!("{path}/operations/{id}")).await?;
        match operation["state"].as_str() {
            Some("DONE") => return Ok(operation),
            Some("FAILED") => bail!("{}", operation["error"].as_str().unwrap_or("it failed")),
            _ => {
                // What failed and is tried again takes its time.
                if operation["error"].is_string() && operation["error"] != told {
                    told = operation["error"].clone();
                    writeln!(
                        std::io::stderr(),
                        "it is tried again: {}",
                        told.as_str().unwrap_or("")
                    )?;
                }
                Runtime::system().sleep_ms(FOLLOW_MS).await;
            }
        }
    }
}

async fn attach_cluster(attach: Attach) -> Result<()> {
    let uri = std::fs::read_to_string(&attach.uri_file)
        .with_context(|| format!("cannot read {}", attach.uri_file.display()))?;
    let (api, group) = open(&attach.project).await?;
    let body = json!({
        "name": attach.name,
        "connectionString": uri.trim(),
        "writesQuiesced": attach.writes_quiesced,
    });
    print(&api.post(&format!("/api/portolan/v1/groups/{group}/clusters:attach"), &body).await?)
}

async fn attach_archive(attach: &AttachArchive) -> Result<()> {
    let (api, path) = own_cluster_path(&attach.cluster).await?;
    let body = json!({
        "storage": attach.storage,
        "takeOver": attach.take_over,
        "expireAfterDays": attach.expire_after_days,
        "query": attach.query,
    });
    print(&api.post(&format!("{path}/onlineArchives:attach"), &without_nulls(body)).await?)
}

async fn own_cluster_path(of: &OfCluster) -> Result<(ApiClient, String)> {
    let (api, group) = open(&of.project).await?;
    Ok((api, format!("/api/portolan/v1/groups/{group}/clusters/{}", of.cluster)))
}

/// Connects, and says which project is meant.
async fn open(project: &InProject) -> Result<(ApiClient, String)> {
    let Connection { base_url, client_id, client_secret, from } = &project.connection;
    if let Some(dir) = from {
        let summary = Summary::read(dir)?;
        let api = ApiClient::connect(&summary.base_url, &summary.client_id, &summary.client_secret)
            .await?;
        return Ok((api, project.project.clone().unwrap_or(summary.group_id)));
    }
    let missing =
        "name the instance: --base-url, --client-id and PORTOLAN_CLIENT_SECRET, or --from DIR";
    let base_url = base_url.as_deref().context(missing)?;
    let client_id = client_id.as_deref().context(missing)?;
    let secret = client_secret.as_deref().context(missing)?;
    let group = project.project.clone().context("name the project: --project ID")?;
    Ok((ApiClient::connect(base_url, client_id, secret).await?, group))
}

fn print(answer: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{answer:#}")?;
    Ok(())
}
