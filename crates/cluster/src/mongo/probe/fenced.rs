//! Trial of a fenced batch: does one transaction compare, delete and advance the fence, does the fence
//! keep others out, and does a client's update at the same moment survive?

use bson::{RawBson, RawDocumentBuf, rawdoc};

use super::{OWN_DATABASE, RACES, Scratch, errors, tolerate};
use crate::fence::{self, FENCES, KEPT};
use crate::mongo::{MongoCluster, batch};
use crate::{BatchOutcome, BatchRequest, Cluster, ClusterError, FencedBatch, Holder};

const EPOCH: i64 = 1;
const SEQ: i64 = 1;

impl Scratch<'_> {
    /// What fenced transactions let through that they should not, or cannot do; `None`: they hold.
    pub(super) async fn fence_flaw(&self) -> Result<Option<String>, ClusterError> {
        let Some(uuid) = self.uuid else {
            return Ok(Some("collections have no UUID".to_owned()));
        };
        let holder = Holder { uuid, owner: "probe", epoch: EPOCH, token: "probe" };
        let tried = self.try_fence(&holder).await;
        self.remove_fence(&holder).await?;
        match tried {
            Ok(flaw) => Ok(flaw),
            Err(error) => {
                let text = error.to_string();
                tolerate(error).map(|()| Some(text))
            }
        }
    }

    async fn try_fence(&self, holder: &Holder<'_>) -> Result<Option<String>, ClusterError> {
        self.cluster.raise_fence(holder, 0).await?;
        let documents = [
            rawdoc! { "_id": "equal", "v": 1 },
            rawdoc! { "_id": "changed", "v": 1 },
            rawdoc! { "_id": "gone", "v": 1 },
        ];
        self.insert([&documents[0], &rawdoc! { "_id": "changed", "v": 1.0 }]).await?;
        let other = Holder { token: "another", ..*holder };
        if !is_fenced(self.batch(&other, 0, &documents).await)? {
            return Ok(Some("a fence does not keep another holder out".to_owned()));
        }
        let expected = BatchOutcome { deleted: vec![0], kept: vec![1], absent: vec![2] };
        if self.batch(holder, 0, &documents).await? != expected || !self.is_left("changed").await? {
            return Ok(Some("a transaction does not delete exactly the equal document".to_owned()));
        }
        if !is_fenced(self.batch(holder, 0, &documents).await)? {
            return Ok(Some("a batch can be deleted twice".to_owned()));
        }
        let records = self.cluster.kept_records(holder.uuid, SEQ).await?;
        if records.len() != 1 || records[0].identities.len() != 2 {
            return Ok(Some("what was kept is not recorded".to_owned()));
        }
        self.fenced_race(holder).await
    }

    /// An acknowledged update must still be there, whichever of the two was first.
    async fn fenced_race(&self, holder: &Holder<'_>) -> Result<Option<String>, ClusterError> {
        let mut done = 0;
        for round in 0..RACES {
            let id = RawBson::String(format!("fenced{round}"));
            let document = rawdoc! { "_id": id.clone(), "v": round };
            self.insert([&document]).await?;
            let request = [document];
            let (updated, deleted) =
                futures::join!(self.update(&id), self.batch(holder, done + 1, &request));
            let left = self.cluster.find_by_ids(&self.namespace, &[id]).await?;
            match deleted {
                Ok(_) => done += 1,
                Err(ClusterError::Aborted(_)) => {}
                Err(error) => return Err(error),
            }
            if updated? == 1 && left.is_empty() {
                return Ok(Some("it deletes a document that was updated meanwhile".to_owned()));
            }
        }
        Ok(None)
    }

    async fn batch(
        &self,
        holder: &Holder<'_>,
        batch: i32,
        documents: &[RawDocumentBuf],
    ) -> Result<BatchOutcome, ClusterError> {
        let identities: Vec<Vec<u8>> =
            documents.iter().map(|document| document.as_bytes().to_vec()).collect();
        let request = BatchRequest {
            uuid: self.uuid,
            shard_key: None,
            documents,
            identities: &identities,
            deadline_ms: i64::MAX,
            fenced: Some(FencedBatch { holder: *holder, seq: SEQ, batch, keep_all: false }),
        };
        self.cluster.delete_batch(&self.namespace, &request).await
    }

    async fn is_left(&self, id: &str) -> Result<bool, ClusterError> {
        let ids = ["equal".into(), "changed".into()];
        let left = self.cluster.find_by_ids(&self.namespace, &ids).await?;
        Ok(left.len() == 1 && left[0].get_str("_id").is_ok_and(|found| found == id))
    }

    async fn remove_fence(&self, holder: &Holder<'_>) -> Result<(), ClusterError> {
        let fence = rawdoc! { "_id": fence::uuid_binary(holder.uuid) };
        let records = fence::kept_filter(holder.uuid, SEQ, SEQ);
        for (collection, query) in [(FENCES, fence), (KEPT, records)] {
            let command = rawdoc! { "delete": collection, "deletes": [{ "q": query, "limit": 0 }] };
            self.cluster.tell(OWN_DATABASE, command).await?;
        }
        Ok(())
    }
}

fn is_fenced(outcome: Result<BatchOutcome, ClusterError>) -> Result<bool, ClusterError> {
    match outcome {
        Ok(_) => Ok(false),
        Err(ClusterError::Fenced) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether the cluster has transactions, found out without writing anything: for clusters that give
/// Portolan no database of its own.
pub(super) async fn reads_in_transactions(cluster: &MongoCluster) -> Result<bool, ClusterError> {
    let own = |name: &String| !matches!(name.as_str(), "admin" | "config" | "local");
    let Some(database) = cluster.list_databases().await?.into_iter().find(own) else {
        return Ok(false);
    };
    match read_in_transaction(cluster, &database).await {
        Ok(()) => Ok(true),
        Err(error) => tolerate(error).map(|()| false),
    }
}

async fn read_in_transaction(cluster: &MongoCluster, database: &str) -> Result<(), ClusterError> {
    let mut session = batch::begin(cluster).await?;
    let find = rawdoc! { "find": "portolan_probe", "limit": 1 };
    let database = cluster.client.database(database);
    let found = database.run_raw_command(find).session(&mut session).await;
    found.map_err(|error| errors::of_transaction(&error))?;
    batch::commit(&mut session).await
}
