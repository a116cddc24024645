//! Restore holds: documents that returned to a cluster are not planned for archiving again until their
//! hold is over. Table `restore_holds`.

use std::collections::HashSet;

use portolan_model::EpochMs;

use crate::leases::LeaseKey;
use crate::{FromRow, Row, StoreError, Tx, args};

struct Identity(Vec<u8>);

impl FromRow for Identity {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let digits = row.text("identity")?;
        let bytes = hex::decode(digits)
            .map_err(|error| StoreError::corrupt("restore_holds.identity", error))?;
        Ok(Self(bytes))
    }
}

/// Holds documents of a collection until a time; one that is held already is held at least as long.
///
/// # Errors
/// The database's.
pub async fn add(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
    identities: &[Vec<u8>],
    until_ms: EpochMs,
) -> Result<(), StoreError> {
    for identity in identities {
        tx.execute(
            "INSERT INTO restore_holds (cluster_id, database_name, collection_name, identity, \
             until) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (cluster_id, database_name, collection_name, identity) \
             DO UPDATE SET until = excluded.until",
            args![
                key.cluster_id,
                key.namespace.database,
                key.namespace.collection,
                hex::encode(identity),
                until_ms
            ],
        )
        .await?;
    }
    Ok(())
}

/// Holds the documents of a collection under another name, too: it was renamed.
///
/// # Errors
/// The database's.
pub async fn copy(tx: &mut Tx<'_>, from: &LeaseKey, to: &LeaseKey) -> Result<(), StoreError> {
    let (old, new) = (&from.namespace, &to.namespace);
    tx.execute(
        "INSERT INTO restore_holds (cluster_id, database_name, collection_name, identity, until) \
         SELECT cluster_id, $4, $5, identity, until FROM restore_holds WHERE cluster_id = $1 \
         AND database_name = $2 AND collection_name = $3 \
         ON CONFLICT (cluster_id, database_name, collection_name, identity) DO NOTHING",
        args![from.cluster_id, old.database, old.collection, new.database, new.collection],
    )
    .await?;
    Ok(())
}

/// The documents of a collection that are held at a time.
///
/// # Errors
/// The database's.
pub async fn held(
    tx: &mut Tx<'_>,
    key: &LeaseKey,
    now_ms: EpochMs,
) -> Result<HashSet<Vec<u8>>, StoreError> {
    let sql = "SELECT identity FROM restore_holds WHERE cluster_id = $1 \
               AND database_name = $2 AND collection_name = $3 AND until > $4";
    let values = args![key.cluster_id, key.namespace.database, key.namespace.collection, now_ms];
    let held: Vec<Identity> = tx.fetch_all(sql, values).await?;
    Ok(held.into_iter().map(|Identity(bytes)| bytes).collect())
}

/// Forgets holds that were over at a time.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut Tx<'_>, key: &LeaseKey, before_ms: EpochMs) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM restore_holds WHERE cluster_id = $1 AND database_name = $2 \
         AND collection_name = $3 AND until <= $4",
        args![key.cluster_id, key.namespace.database, key.namespace.collection, before_ms],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use portolan_model::{ClusterId, Namespace};

    use super::*;
    use crate::tests::{in_tx, on_each_database};

    on_each_database! {
        async fn holds_last_until_their_time(store) {
            let namespace = Namespace { database: "air".into(), collection: "flights".into() };
            let key = &LeaseKey { cluster_id: ClusterId::new([1; 12]), namespace };
            let (a, b) = (&vec![1, 2], &vec![3]);
            let (early, late) = in_tx!(store, tx => {
                add(tx, key, &[a.clone(), b.clone()], 10).await?;
                add(tx, key, std::slice::from_ref(b), 20).await?;
                let early = held(tx, key, 9).await?;
                forget(tx, key, 10).await?;
                Ok::<_, StoreError>((early, held(tx, key, 9).await?))
            })
            .expect("stored");
            assert_eq!((early.len(), late.len()), (2, 1));
            assert!(late.contains(b) && early.contains(a));
            let renamed = Namespace { collection: "old".into(), ..key.namespace.clone() };
            let to = &LeaseKey { namespace: renamed, ..key.clone() };
            let copied = in_tx!(store, tx => {
                copy(tx, key, to).await?;
                copy(tx, key, to).await?;
                held(tx, to, 9).await
            });
            assert_eq!(copied, Ok(late));
        }
    }
}
