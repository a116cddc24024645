//! The steps of the main job, each harmless to repeat.

mod data;
mod watch;

use std::path::Path;

use anyhow::{Context, Result, bail};
use portolan_runtime::Runtime;
use serde_json::{Value, json};

use super::progress::{Founded, Progress};
use super::report::Say;
use super::summary::{ConnectionStrings, Summary};
use crate::client::ApiClient;
use crate::instance::Instance;

const ORGANIZATION: &str = "Quickstart";
const OWNER: &str = "owner@portolan.local";
const PROJECT: &str = "Quickstart";
const CLUSTER: &str = "Cluster0";
const DATABASE: &str = "sample_flights";
const COLLECTION: &str = "flights";
/// 2013-10-01T00:00:00Z: flights before it are cold.
const COLD_BEFORE_MS: i64 = 1_380_585_600_000;
const DAY_MS: i64 = 86_400_000;

/// Does what an earlier run has not done yet, and sums up.
pub(super) async fn run_all(
    instance: &Instance,
    sample: Option<&Path>,
    progress: &mut Progress,
    say: &Say,
) -> Result<Summary> {
    let founded = found(instance, progress).await?;
    let base_url = instance.base_url();
    let api = ApiClient::connect(base_url, &founded.client_id, &founded.client_secret).await?;
    let group = project(&api, &founded.org_id).await?;
    let runtime = instance.runtime();
    cluster(&api, &group, runtime).await?;
    let account = account(&api, &group, progress, runtime).await?;
    let cluster_string = connection_string(&api, &group, &account, "cluster").await?;
    say.line(format_args!("Organization, project and cluster {CLUSTER} are ready."));
    data::load(&cluster_string, sample, progress, say).await?;
    let archive = archive(&api, &group, progress, runtime).await?;
    // The read endpoints come with the first archive.
    let strings = ConnectionStrings {
        cluster: cluster_string,
        archive: connection_string(&api, &group, &account, "archive").await?,
        cluster_and_archive: connection_string(&api, &group, &account, "clusterAndArchive").await?,
    };
    let run = watch::until_moved(&api, &group, &archive, runtime, say).await?;
    pause(&api, &group, &archive, runtime).await?;
    data::look(&strings, say).await?;
    let storage = table_uri(&api, &group, &archive).await?;
    Ok(Summary {
        base_url: base_url.to_owned(),
        org_id: founded.org_id,
        group_id: group,
        cluster_name: CLUSTER.to_owned(),
        public_key: founded.public_key,
        private_key: founded.private_key,
        client_id: founded.client_id,
        client_secret: founded.client_secret,
        archive_id: archive,
        connection_strings: strings,
        storage,
        run,
    })
}

/// The organization with its owner, key pair and service account.
async fn found(instance: &Instance, progress: &mut Progress) -> Result<Founded> {
    if let Some(founded) = &progress.founded {
        return Ok(founded.clone());
    }
    let founded = instance.bootstrap(ORGANIZATION, OWNER).await.context(
        "this folder holds an instance whose keys the quickstart does not know: choose another \
         folder with --dir",
    )?;
    let founded = Founded {
        org_id: founded.org_id,
        public_key: founded.public_key,
        private_key: founded.private_key,
        client_id: founded.client_id,
        client_secret: founded.client_secret,
    };
    progress.founded = Some(founded.clone());
    progress.save()?;
    Ok(founded)
}

async fn project(api: &ApiClient, org_id: &str) -> Result<String> {
    let groups = api.get("/api/atlas/v2/groups").await?;
    let known = groups["results"].as_array().and_then(|groups| {
        groups.iter().find(|group| group["name"] == PROJECT && group["orgId"] == org_id)
    });
    let group = match known {
        Some(group) => group.clone(),
        None => {
            api.post("/api/atlas/v2/groups", &json!({"name": PROJECT, "orgId": org_id})).await?
        }
    };
    text(&group, "id")
}

async fn cluster(api: &ApiClient, group: &str, runtime: &Runtime) -> Result<()> {
    let clusters = format!("/api/atlas/v2/groups/{group}/clusters");
    let known = api.get(&clusters).await?;
    let exists =
        |list: &Value| list.as_array().is_some_and(|l| l.iter().any(|c| c["name"] == CLUSTER));
    if !exists(&known["results"]) {
        api.post(&clusters, &cluster_body()).await?;
    }
    let path = format!("{clusters}/{CLUSTER}");
    wait(runtime, "the cluster", 30, async || {
        Ok((api.get(&path).await?["stateName"] == "IDLE").then_some(()))
    })
    .await
}

/// What a client of Atlas sends for a small replica set.
fn cluster_body() -> Value {
    let specs = json!({"instanceSize": "M10", "nodeCount": 3});
    let region = json!({"providerName": "AWS", "regionName": "US_EAST_1", "priority": 7, "electableSpecs": specs});
    json!({
        "name": CLUSTER,
        "clusterType": "REPLICASET",
        "replicationSpecs": [{"regionConfigs": [region]}],
    })
}

/// A database user with letters and digits only, so that it fits into a connection string as it is.
async fn account(
    api: &ApiClient,
    group: &str,
    progress: &mut Progress,
    runtime: &Runtime,
) -> Result<(String, String)> {
    if let Some(account) = &progress.account {
        return Ok(account.clone());
    }
    let suffix: String = hex::encode(runtime.random_bytes::<4>());
    let account = (format!("explorer{suffix}"), hex::encode(runtime.random_bytes::<16>()));
    let body = json!({
        "databaseName": "admin",
        "username": account.0,
        "password": account.1,
        "roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}],
    });
    api.post(&format!("/api/atlas/v2/groups/{group}/databaseUsers"), &body).await?;
    progress.account = Some(account.clone());
    progress.save()?;
    Ok(account)
}

/// One of the cluster's connection strings, with user and password.
async fn connection_string(
    api: &ApiClient,
    group: &str,
    account: &(String, String),
    name: &str,
) -> Result<String> {
    let path = format!("/api/portolan/v1/groups/{group}/clusters/{CLUSTER}/connectionStrings");
    let plain = text(&api.get(&path).await?, name)?;
    let (scheme, host) = plain.split_once("://").context("a connection string has a scheme")?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Ok(format!("{scheme}://{}:{}@{host}", account.0, account.1))
}

async fn archive(
    api: &ApiClient,
    group: &str,
    progress: &mut Progress,
    runtime: &Runtime,
) -> Result<String> {
    if let Some(archive) = &progress.archive_id {
        return Ok(archive.clone());
    }
    let made = match unfinished_archive(api, group).await? {
        Some(archive) => archive,
        None => api.post(&archives(group), &archive_body(runtime.now_ms())).await?,
    };
    let archive = text(&made, "_id")?;
    progress.archive_id = Some(archive.clone());
    progress.save()?;
    Ok(archive)
}

/// An archive that a stopped run made without writing it down.
async fn unfinished_archive(api: &ApiClient, group: &str) -> Result<Option<Value>> {
    let known = api.get(&archives(group)).await?;
    let ours =
        |archive: &&Value| archive["collName"] == COLLECTION && archive["state"] != "DELETED";
    Ok(known["results"].as_array().and_then(|list| list.iter().find(ours)).cloned())
}

fn archive_body(now_ms: i64) -> Value {
    let fields = ["time_hour", "carrier", "origin"];
    let partition_fields: Vec<Value> = fields
        .iter()
        .enumerate()
        .map(|(order, name)| json!({"fieldName": name, "order": order}))
        .collect();
    json!({
        "dbName": DATABASE,
        "collName": COLLECTION,
        "criteria": {
            "type": "DATE",
            "dateField": "time_hour",
            "dateFormat": "ISODATE",
            "expireAfterDays": (now_ms - COLD_BEFORE_MS) / DAY_MS,
        },
        "partitionFields": partition_fields,
    })
}

/// Pauses the archive, so that counts stay put while one explores.
async fn pause(api: &ApiClient, group: &str, archive: &str, runtime: &Runtime) -> Result<()> {
    let path = format!("{}/{archive}", archives(group));
    if api.get(&path).await?["state"] != "PAUSED" {
        api.patch(&path, &json!({"paused": true})).await?;
    }
    wait(runtime, "the pause", 30, async || {
        Ok((api.get(&path).await?["state"] == "PAUSED").then_some(()))
    })
    .await
}

async fn table_uri(api: &ApiClient, group: &str, archive: &str) -> Result<String> {
    let path =
        format!("/api/portolan/v1/groups/{group}/clusters/{CLUSTER}/onlineArchives/{archive}");
    text(&api.get(&path).await?, "tableUri")
}

fn archives(group: &str) -> String {
    format!("/api/atlas/v2/groups/{group}/clusters/{CLUSTER}/onlineArchives")
}

fn text(value: &Value, key: &str) -> Result<String> {
    let text = value[key].as_str().with_context(|| format!("the answer has no {key}: {value}"))?;
    Ok(text.to_owned())
}

/// Polls until there is something, at most `timeout_s` seconds.
async fn wait<T>(
    runtime: &Runtime,
    what: &str,
    timeout_s: u64,
    poll: impl AsyncFn() -> Result<Option<T>>,
) -> Result<T> {
    let end_ms = runtime.boot_ms() + timeout_s * 1000;
    loop {
        if let Some(found) = poll().await? {
            return Ok(found);
        }
        if runtime.boot_ms() > end_ms {
            bail!("{what} was not ready after {timeout_s} s");
        }
        runtime.sleep_ms(100).await;
    }
}
