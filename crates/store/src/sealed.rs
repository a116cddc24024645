//! Every column that holds sealed secrets, in one list: for copies of the state, which must open where
//! they are restored, and for a change of the master key, which must miss none. A test compares the
//! list with the schema.

use portolan_security::Place;

use crate::catalog::Table;
use crate::{Store, StoreError, Tx, args};

/// A column of sealed secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The primary key. Its values, joined by NUL, are the row's name in the associated data.
    pub(crate) key: &'static [&'static str],
}

/// All of them.
pub(crate) const SEALED: [SealedColumn; 5] = [
    SealedColumn { table: "instance_secrets", column: "secret", key: &["name"] },
    SealedColumn { table: "api_keys", column: "ha1", key: &["id"] },
    SealedColumn { table: "clusters", column: "uri_sealed", key: &["id"] },
    SealedColumn { table: "live_exports", column: "token_sealed", key: &["org_id"] },
    SealedColumn {
        table: "database_users",
        column: "credentials_sealed",
        key: &["project_id", "database_name", "username"],
    },
];

/// Rows of one transaction while secrets are sealed anew.
const BATCH: i64 = 200;

/// A sealed value and the text of its row.
pub(crate) struct Sealed {
    pub(crate) row: String,
    pub(crate) bytes: Vec<u8>,
}

impl SealedColumn {
    pub(crate) fn place<'a>(&self, row: &'a str) -> Place<'a> {
        Place { table: self.table, row, column: self.column }
    }

    fn parts(row: &str) -> Vec<&str> {
        row.split('\0').collect()
    }

    /// Values after the row named `after`, in the order of the key.
    async fn page(&self, tx: &mut Tx<'_>, after: Option<&str>) -> Result<Vec<Sealed>, StoreError> {
        let (table, column, keys) = (self.table, self.column, self.key.join(", "));
        let marks: Vec<String> = (1..=self.key.len()).map(|n| format!("${n}")).collect();
        let after_key = match after {
            Some(_) => format!("AND ({keys}) > ({})", marks.join(", ")),
            None => String::new(),
        };
        let sql = format!(
            "SELECT {keys}, {column} AS sealed FROM {table} \
             WHERE {column} IS NOT NULL {after_key} ORDER BY {keys} LIMIT {BATCH}"
        );
        let values = after.map_or_else(Vec::new, |row| {
            Self::parts(row).into_iter().flat_map(|part| args![part]).collect()
        });
        let mut found = Vec::new();
        tx.for_each(sqlx::AssertSqlSafe(sql), values, |row| {
            let parts: Result<Vec<String>, _> = self.key.iter().map(|key| row.text(key)).collect();
            found.push(Sealed { row: parts?.join("\0"), bytes: row.blob("sealed")? });
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Replaces a value that nobody changed meanwhile.
    async fn replace(
        &self,
        tx: &mut Tx<'_>,
        old: &Sealed,
        new: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let (table, column, count) = (self.table, self.column, self.key.len());
        let keys: Vec<String> =
            self.key.iter().enumerate().map(|(n, key)| format!("{key} = ${}", n + 1)).collect();
        let sql = format!(
            "UPDATE {table} SET {column} = ${} WHERE {} AND {column} = ${}",
            count + 1,
            keys.join(" AND "),
            count + 2
        );
        let mut values: Vec<_> =
            Self::parts(&old.row).into_iter().flat_map(|part| args![part]).collect();
        values.extend(args![new, old.bytes]);
        Ok(tx.execute(sqlx::AssertSqlSafe(sql), values).await? > 0)
    }
}

/// What a pass over all secrets did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that were sealed under an older key and now are under the newest.
    pub changed: u64,
    /// Secrets that were under the newest one already.
    pub current: u64,
}

impl Store {
    /// Seals every secret that is under an older key of the ring anew, under the newest. Cut off at any
    /// point it may be started again: it goes row by row, and a row is either old or new.
    ///
    /// # Errors
    /// The database's, and [`StoreError::Secret`] for a value that no key of the ring opens.
    pub async fn reseal(&self) -> Result<Resealed, StoreError> {
        let mut sum = Resealed::default();
        for column in &SEALED {
            let mut after: Option<String> = None;
            loop {
                let (page, last) = self.reseal_page(column, after.as_deref()).await?;
                sum.changed += page.changed;
                sum.current += page.current;
                match last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        Ok(sum)
    }

    async fn reseal_page(
        &self,
        column: &SealedColumn,
        after: Option<&str>,
    ) -> Result<(Resealed, Option<String>), StoreError> {
        self.run_tx("store.reseal", |tx| {
            Box::pin(async move {
                let mut done = Resealed::default();
                let page = column.page(tx, after).await?;
                for old in &page {
                    if tx.is_current(&old.bytes) {
                        done.current += 1;
                        continue;
                    }
                    let place = column.place(&old.row);
                    let plain = tx.open(&place, &old.bytes)?;
                    let new = tx.seal(&place, plain.expose());
                    done.changed += u64::from(column.replace(tx, old, new).await?);
                }
                Ok((done, page.last().map(|sealed| sealed.row.clone())))
            })
        })
        .await
    }

    /// The number of secrets that are not sealed under the newest key of the ring.
    ///
    /// # Errors
    /// The database's.
    pub async fn secrets_under_older_keys(&self) -> Result<u64, StoreError> {
        self.read_tx("store.sealed", |tx| {
            Box::pin(async move {
                let mut older = 0;
                for column in &SEALED {
                    for sealed in all(tx, column).await? {
                        older += u64::from(!tx.is_current(&sealed.bytes));
                    }
                }
                Ok(older)
            })
        })
        .await
    }

    /// Opens every secret, to see whether this is the master key that sealed them.
    ///
    /// # Errors
    /// [`StoreError::Secret`] for the first that does not open, and the database's.
    pub async fn check_secrets(&self) -> Result<u64, StoreError> {
        self.read_tx("store.secrets", |tx| {
            Box::pin(async move {
                let mut count = 0;
                for column in &SEALED {
                    for sealed in all(tx, column).await? {
                        tx.open(&column.place(&sealed.row), &sealed.bytes)?;
                        count += 1;
                    }
                }
                Ok(count)
            })
        })
        .await
    }
}

/// The columns of these tables: an old schema has not all of them.
pub(crate) fn of_tables(tables: &[Table]) -> impl Iterator<Item = &'static SealedColumn> {
    SEALED.iter().filter(|sealed| tables.iter().any(|table| table.name == sealed.table))
}

/// Every value of a column.
pub(crate) async fn all(tx: &mut Tx<'_>, column: &SealedColumn) -> Result<Vec<Sealed>, StoreError> {
    let mut found: Vec<Sealed> = Vec::new();
    loop {
        let after = found.last().map(|sealed| sealed.row.clone());
        let page = column.page(tx, after.as_deref()).await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

#[cfg(test)]
mod tests;
