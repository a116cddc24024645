//! `portolan cluster …` and `portolan archive …`: HTTP clients of a running instance. They print the
//! server's answer as indented JSON, so that scripts can read it. `portolan openapi` needs none.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cli::{ArchiveCommand, Attach, ClusterCommand, Connection, InProject, OfCluster};
use crate::client::ApiClient;
use crate::quickstart::Summary;

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
        ArchiveCommand::Runs(of) => {
            let (api, path) = own_cluster_path(&of.cluster).await?;
            print(&api.get(&format!("{path}/onlineArchives/{}/runs", of.archive)).await?)
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
