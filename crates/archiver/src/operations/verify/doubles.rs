//! Documents that are archived twice: confirmed rows with one identity, in one archive or in two archives of
//! the collection. Identities are compared as fingerprints, in passes over shares of them.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use portolan_lake::{Table, Version};
use portolan_store::archives::StoredArchive;

use super::super::Working;
use super::unread;
use crate::{ArchiverError, takeover};

/// Fingerprints held at once: 16 bytes each.
const FINGERPRINTS_MAX: u64 = 4_000_000;

pub(super) async fn run(
    working: &mut Working<'_>,
    stored: &StoredArchive,
    table: &Table,
) -> Result<(), ArchiverError> {
    working.set("phase", "DOUBLES");
    let others = others(working, stored, table).await?;
    working.set("archivesCompared", others.len() as u64);
    let version = table.load().await?;
    let confirmed = version.files.iter().filter(|file| file.seq_max <= version.confirmed);
    let rows: u64 = confirmed.map(|file| file.rows).sum();
    let needed = rows.div_ceil(FINGERPRINTS_MAX).clamp(1, 256);
    if working.count("passesTotal") < needed {
        // Shares of another size would leave gaps between those that were looked at before.
        working.set("passesTotal", needed);
        for name in ["passes", "doubles", "inOtherArchives"] {
            working.set(name, 0);
        }
    }
    let passes = working.count("passesTotal");
    for pass in working.count("passes")..passes {
        let mut look = Look { share: share(pass, passes), unread: 0 };
        let (doubles, elsewhere) = look.run(working, table, &others).await?;
        working.add("doubles", doubles);
        working.add("inOtherArchives", elsewhere);
        working.unread_files(look.unread);
        working.set("passes", pass + 1);
        working.advanced().await?;
    }
    Ok(())
}

/// First bytes of the fingerprints of a pass.
fn share(pass: u64, passes: u64) -> RangeInclusive<u8> {
    let (first, next) = (pass * 256 / passes, (pass + 1) * 256 / passes);
    let byte = |number: u64| u8::try_from(number.min(255)).unwrap_or(u8::MAX);
    byte(first)..=byte(next.saturating_sub(1))
}

/// The tables of the collection's other archives, as long as their files are not being removed. One whose
/// documents are told apart otherwise cannot be compared.
async fn others(
    working: &Working<'_>,
    stored: &StoredArchive,
    table: &Table,
) -> Result<Vec<Table>, ArchiverError> {
    let id = stored.archive.id;
    let standby = working.shared.journal.standby(id).await?;
    let mut siblings = standby.map(|it| it.siblings).unwrap_or_default();
    siblings.retain(|it| it.archive.id != id && it.purging_at.is_none());
    let seen = takeover::open_tables(working.shared, siblings).await?;
    let tables = seen.into_iter().filter_map(|entry| entry.table);
    Ok(tables.filter(|other| other.spec().shard_key == table.spec().shard_key).collect())
}

/// One pass.
struct Look {
    share: RangeInclusive<u8>,
    unread: u64,
}

impl Look {
    /// How many rows are doubles in the table, and how many identities lie in another one, too.
    async fn run(
        &mut self,
        working: &mut Working<'_>,
        table: &Table,
        others: &[Table],
    ) -> Result<(u64, u64), ArchiverError> {
        let (mut seen, mut doubles) = (HashSet::new(), 0);
        let take = |print| doubles += u64::from(!seen.insert(print));
        self.prints(working, table, take).await?;
        let mut elsewhere = HashSet::new();
        for other in others {
            let take = |print| _ = seen.contains(&print) && elsewhere.insert(print);
            self.prints(working, other, take).await?;
        }
        drop(seen);
        if elsewhere.is_empty() {
            return Ok((doubles, 0));
        }
        let elsewhere = self.again(working, (table, others), &elsewhere).await?;
        Ok((doubles, elsewhere))
    }

    /// Tables are not loaded at one instant: a row may have left one of them before it came to another. Looked
    /// at once more, both are as they are after that.
    async fn again(
        &mut self,
        working: &mut Working<'_>,
        (table, others): (&Table, &[Table]),
        found: &HashSet<u128>,
    ) -> Result<u64, ArchiverError> {
        let mut here = HashSet::new();
        let take = |print| _ = found.contains(&print) && here.insert(print);
        self.prints(working, table, take).await?;
        let mut both = HashSet::new();
        for other in others {
            let take = |print| _ = here.contains(&print) && both.insert(print);
            self.prints(working, other, take).await?;
        }
        Ok(both.len() as u64)
    }

    /// Gives the fingerprints of all confirmed rows of the share.
    async fn prints(
        &mut self,
        working: &mut Working<'_>,
        table: &Table,
        mut take: impl FnMut(u128),
    ) -> Result<(), ArchiverError> {
        let version: Version = table.load().await?;
        for file in version.files.iter().filter(|file| file.seq_max <= version.confirmed) {
            working.beat().await?;
            match table.fingerprints(file, self.share.clone()).await {
                Ok(found) => found.into_iter().for_each(&mut take),
                Err(error) => {
                    unread(table, file, error).await?;
                    self.unread += 1;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_cover_every_share_once() {
        for passes in [1, 2, 3, 7, 100, 255, 256] {
            let all: Vec<u8> = (0..passes).flat_map(|pass| share(pass, passes)).collect();
            assert_eq!(all, (0..=255).collect::<Vec<u8>>(), "{passes} passes");
        }
    }
}
