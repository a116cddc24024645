//! A cluster that one instance lends and another one attaches and archives from: the set-up and the
//! questions that tests of attached clusters have in common.

use std::path::Path;

use serde_json::{Value, json};

use crate::served::{Api, Process, Setting, text, until, with_login};

/// An instance that only lends its sandbox cluster, and the cluster's connection string.
pub(crate) async fn lend(dir: &Path, ports: (u16, u16)) -> (Process, String) {
    let setting = Setting::write(&dir.join("source"), "127.0.0.1", ports, "");
    let founded = setting.bootstrap();
    let process = setting.serve(&[]).await;
    let api = setting.api(&founded).await;
    let group = api.project(&founded).await;
    let uri = api.sandbox(&group, "Live").await;
    (process, uri)
}

pub(crate) fn attach_body(uri: &str) -> Value {
    json!({ "name": "Live", "connectionString": uri, "writesQuiesced": false })
}

/// Attaches the cluster to a project, which gets somebody who may read; what was answered.
pub(crate) async fn attach(api: &Api, group: &str, uri: &str) -> Value {
    let path = format!("portolan/v1/groups/{group}/clusters:attach");
    let attached = api.post(&path, &attach_body(uri)).await;
    let user = json!({
        "databaseName": "admin", "username": "reader", "password": "correct-horse-9",
        "roles": [{ "databaseName": "admin", "roleName": "readAnyDatabase" }],
    });
    api.post(&format!("atlas/v2/groups/{group}/databaseUsers"), &user).await;
    attached
}

/// Archives `sales.orders` after ten days; the archive's id.
pub(crate) async fn archive_orders(api: &Api, group: &str) -> String {
    let body = json!({
        "dbName": "sales", "collName": "orders",
        "criteria": {
            "type": "DATE", "dateField": "at", "dateFormat": "ISODATE", "expireAfterDays": 10,
        },
        "partitionFields": [{ "fieldName": "at", "order": 0 }],
    });
    let archives = format!("atlas/v2/groups/{group}/clusters/Live/onlineArchives");
    text(&api.post(&archives, &body).await, "_id")
}

/// Waits until so many documents are archived and no move is open.
pub(crate) async fn archived(api: &Api, group: &str, id: &str, documents: i64) {
    let path = format!("portolan/v1/groups/{group}/clusters/Live/onlineArchives/{id}/statistics");
    until("the documents in the archive", 60, async || {
        let shown = api.get(&path).await;
        (shown["documents"] == documents && shown["openMove"] == false).then_some(())
    })
    .await;
}

/// Connection string of a read endpoint.
pub(crate) async fn endpoint(api: &Api, group: &str, which: &str) -> String {
    let path = format!("portolan/v1/groups/{group}/clusters/Live/connectionStrings");
    let plain = text(&api.get(&path).await, which);
    with_login(&plain, "reader", "correct-horse-9")
}
