//! The instance itself.
//!
//! Table `instance` has one row: the installation id, by which archive tables know their owner.
//! Table `instance_secrets` holds random keys that all replicas share, sealed.

use portolan_security::{Place, SecretBytes};

use crate::{FromRow, Row, StoreError, Tx, args};

const SECRET_BYTES: usize = 32;

/// The installation id, made at the first call.
///
/// # Errors
/// The database's.
pub async fn installation_id(tx: &mut Tx<'_>) -> Result<String, StoreError> {
    let sql = "SELECT installation_id FROM instance WHERE id = 1";
    if let Some(id) = tx.fetch_optional(sql, args![]).await? {
        return Ok(id);
    }
    let (id, now_ms) = (hex::encode(tx.runtime().uuid_v4()), tx.now_ms());
    tx.execute(
        "INSERT INTO instance (id, installation_id, created_at) VALUES (1, $1, $2)",
        args![id, now_ms],
    )
    .await?;
    Ok(id)
}

struct Sealed(Vec<u8>);

impl FromRow for Sealed {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.blob("secret")?))
    }
}

/// The key of 32 random bytes of that name, made at the first call.
///
/// # Errors
/// The database's, and [`StoreError::Secret`] when the master key is another one.
pub async fn shared_secret(tx: &mut Tx<'_>, name: &str) -> Result<SecretBytes, StoreError> {
    let place = Place { table: "instance_secrets", row: name, column: "secret" };
    let sql = "SELECT secret FROM instance_secrets WHERE name = $1";
    if let Some(Sealed(sealed)) = tx.fetch_optional(sql, args![name]).await? {
        return tx.open(&place, &sealed);
    }
    let secret = tx.runtime().random_bytes::<SECRET_BYTES>();
    let (sealed, now_ms) = (tx.seal(&place, &secret), tx.now_ms());
    tx.execute(
        "INSERT INTO instance_secrets (name, secret, created_at) VALUES ($1, $2, $3)",
        args![name, sealed, now_ms],
    )
    .await?;
    Ok(SecretBytes::new(secret))
}
