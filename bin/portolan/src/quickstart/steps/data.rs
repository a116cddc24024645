//! Loading the flights and looking at them, through an ordinary MongoDB driver.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bson::{Document, RawDocumentBuf, doc};
use futures::TryStreamExt;
use mongodb::{Client, Collection};

use super::{COLLECTION, DATABASE};
use crate::quickstart::progress::Progress;
use crate::quickstart::report::Say;
use crate::quickstart::sample;
use crate::quickstart::summary::ConnectionStrings;

const INSERT_BATCH: usize = 2_000;

/// Loads the flights once. A load that was stopped half-way is started over.
pub(super) async fn load(
    uri: &str,
    file: Option<&Path>,
    progress: &mut Progress,
    say: &Say,
) -> Result<()> {
    if progress.loaded {
        return Ok(());
    }
    let flights = sample::flights(file)?;
    let client = Client::with_uri_str(uri).await.context("the cluster's connection string")?;
    let collection: Collection<RawDocumentBuf> = client.database(DATABASE).collection(COLLECTION);
    collection.drop().await?;
    let bar = say.bar("Loading flights", flights.len() as u64);
    for batch in flights.chunks(INSERT_BATCH) {
        collection.insert_many(batch).ordered(true).await?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    say.line(format_args!("Loaded {} real flights into {DATABASE}.{COLLECTION}.", flights.len()));
    client.shutdown().await;
    progress.loaded = true;
    progress.save()
}

/// Counts through all three connection strings, and one aggregation over both halves.
pub(super) async fn look(strings: &ConnectionStrings, say: &Say) -> Result<()> {
    let cluster = count(&strings.cluster).await?;
    let archive = count(&strings.archive).await?;
    let both = count(&strings.cluster_and_archive).await?;
    ensure!(
        cluster + archive == both,
        "cluster ({cluster}) and archive ({archive}) do not add up to their union ({both})"
    );
    say.line(format_args!("\nDocuments through an ordinary driver:"));
    say.line(format_args!("  cluster            {cluster:>7}"));
    say.line(format_args!("  archive            {archive:>7}"));
    say.line(format_args!("  cluster + archive  {both:>7}"));
    let carriers = busiest(&strings.cluster_and_archive).await?;
    say.line(format_args!("Busiest carriers of the whole year: {}", carriers.join(", ")));
    Ok(())
}

async fn count(uri: &str) -> Result<u64> {
    let client = Client::with_uri_str(uri).await?;
    let flights: Collection<Document> = client.database(DATABASE).collection(COLLECTION);
    let count = flights.count_documents(doc! {}).await?;
    client.shutdown().await;
    Ok(count)
}

async fn busiest(uri: &str) -> Result<Vec<String>> {
    let client = Client::with_uri_str(uri).await?;
    let flights: Collection<Document> = client.database(DATABASE).collection(COLLECTION);
    let pipeline = [
        doc! {"$group": {"_id": "$carrier", "flights": {"$sum": 1}}},
        doc! {"$sort": {"flights": -1, "_id": 1}},
        doc! {"$limit": 3},
    ];
    let carriers: Vec<Document> = flights.aggregate(pipeline).await?.try_collect().await?;
    client.shutdown().await;
    Ok(carriers
        .iter()
        .map(|c| {
            format!("{} ({})", c.get_str("_id").unwrap_or("?"), c.get("flights").map_or(0, number))
        })
        .collect())
}

fn number(value: &bson::Bson) -> i64 {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).unwrap_or(0)
}
