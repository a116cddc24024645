//! Sample data: the flights that are part of this program, loaded through an ordinary driver.
//!
//! They are loaded beside their place and put there by renaming, so that a load that was cut off leaves
//! nothing half-done and can be repeated.

use anyhow::{Context, Result};
use bson::{Document, RawDocumentBuf, doc};
use mongodb::{Client, Collection, Database};
use portolan_control::HostError;
use portolan_security::SecretString;

use crate::quickstart::sample::flights;

const DATABASE: &str = "sample_flights";
const COLLECTION: &str = "flights";
const LOADING: &str = "flights_loading";
const INSERT_BATCH: usize = 2_000;

/// Loads the flights into `sample_flights.flights`, unless they are there.
pub(super) async fn load(uri: &SecretString) -> Result<(), HostError> {
    let client = Client::with_uri_str(uri.expose()).await.map_err(unreachable)?;
    let loaded = load_through(&client).await;
    client.shutdown().await;
    match loaded {
        Ok(true) => Ok(()),
        Ok(false) => Err(HostError::Refused(format!(
            "{DATABASE}.{COLLECTION} holds other documents already. Drop it and try again."
        ))),
        Err(error) => Err(HostError::Failed(format!("{error:#}"))),
    }
}

/// Whether the flights are there now; `false` when something else is in their place.
async fn load_through(client: &Client) -> Result<bool> {
    let database = client.database(DATABASE);
    let documents = flights(None)?;
    if let Some(there) = count(&database).await? {
        return Ok(there == documents.len() as u64);
    }
    let staged: Collection<RawDocumentBuf> = database.collection(LOADING);
    staged.drop().await?;
    for batch in documents.chunks(INSERT_BATCH) {
        staged.insert_many(batch).ordered(true).await?;
    }
    let rename = doc! {
        "renameCollection": format!("{DATABASE}.{LOADING}"),
        "to": format!("{DATABASE}.{COLLECTION}"),
    };
    client.database("admin").run_command(rename).await.context("putting the flights in place")?;
    Ok(true)
}

/// How many documents are in the flights' place; `None` when there is no such collection.
async fn count(database: &Database) -> Result<Option<u64>> {
    let named = doc! { "name": COLLECTION };
    if database.list_collection_names().filter(named).await?.is_empty() {
        return Ok(None);
    }
    let flights: Collection<Document> = database.collection(COLLECTION);
    Ok(Some(flights.count_documents(doc! {}).await?))
}

fn unreachable(error: impl std::fmt::Display) -> HostError {
    HostError::Unreachable(error.to_string())
}
