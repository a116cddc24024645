//! What the fence at a cluster says of its collection's rows: which of them were moved, exactly. Where
//! there is none, or it does not fit the table, it says nothing, and looking documents up decides.

use std::collections::HashSet;

use portolan_cluster::{Fence, KeptRecord};
use portolan_lake::Version;
use portolan_model::GuardLevel;

use crate::endpoint::EndpointMode;
use crate::session::Session;
use crate::{ArchiveSource, FederationError, Kept};

/// The last batch whose documents are deleted: number of the move, number of the batch.
pub(crate) type Deleted = (i64, i32);

/// A fence as it was read, before the table was pinned.
pub(crate) struct Reading {
    fence: Fence,
    records: Vec<KeptRecord>,
    /// What the journal knew before.
    mirror: Option<Deleted>,
}

/// What is known before the pin.
pub(crate) enum Source {
    /// Nothing that decides.
    Unfenced,
    /// A fence, to be compared with the pinned version.
    Fenced(Reading),
    /// The cluster does not answer, and the endpoint does without it: what the journal saw.
    Unreachable(Deleted),
}

/// Reads the fence of an archive's collection, then its records.
pub(crate) async fn read(
    session: &Session,
    source: &ArchiveSource,
) -> Result<Source, FederationError> {
    let Some(uuid) = source.collection_uuid.filter(|_| source.level > GuardLevel::L0) else {
        return Ok(Source::Unfenced);
    };
    let mirror = session.catalog.deleted(&source.archive_id).await?;
    match ask(session, uuid).await {
        Ok(None) => Ok(Source::Unfenced),
        Ok(Some((fence, records))) => Ok(Source::Fenced(Reading { fence, records, mirror })),
        Err(error) => match mirror.filter(|_| session.mode == EndpointMode::Archive) {
            Some(mirror) => Ok(Source::Unreachable(mirror)),
            None => Err(error),
        },
    }
}

async fn ask(
    session: &Session,
    uuid: [u8; 16],
) -> Result<Option<(Fence, Vec<KeptRecord>)>, FederationError> {
    let cluster = session.cluster().await?;
    let Some(fence) = cluster.fence(uuid).await? else { return Ok(None) };
    let records = cluster.kept_records(uuid, fence.seq).await?;
    Ok(Some((fence, records)))
}

/// How a reading fits the version that was pinned after it.
pub(crate) enum Fit {
    /// It decides: rows after this position are not moved, and neither are those kept.
    Decides(Deleted),
    /// It says nothing.
    Nothing,
    /// A worker took over in between: read again.
    Again,
}

impl Source {
    /// Compares with the pinned version. `confirmed` was loaded earlier in the same query.
    pub(crate) fn fit(&self, version: &Version, confirmed: i64) -> Fit {
        match self {
            Self::Unfenced => Fit::Nothing,
            // What is confirmed was moved, whatever the journal lost or an attached archive never knew.
            Self::Unreachable(mirror) => Fit::Decides((*mirror).max((version.confirmed, i32::MAX))),
            Self::Fenced(reading) if reading.fence.epoch < version.fence => {
                // Work that deletes nothing raises the fence of the table alone, and only between moves.
                if version.committed > version.confirmed { Fit::Again } else { Fit::Nothing }
            }
            Self::Fenced(reading) if reading.is_valid(version, confirmed) => {
                Fit::Decides((reading.fence.seq, reading.fence.done))
            }
            Self::Fenced(_) => Fit::Nothing,
        }
    }

    /// Adds the rows that the source recorded as kept.
    pub(crate) fn add_kept(&self, kept: &mut Kept) {
        let Self::Fenced(reading) = self else { return };
        let identities: HashSet<&Vec<u8>> =
            reading.records.iter().flat_map(|record| &record.identities).collect();
        kept.extend(identities.into_iter().map(|identity| (reading.fence.seq, identity.clone())));
    }
}

impl Reading {
    fn is_valid(&self, version: &Version, confirmed: i64) -> bool {
        let fence = &self.fence;
        let same_epoch = fence.epoch == version.fence;
        let token_fits = !same_epoch || version.fence_token.as_deref() == Some(&fence.token);
        let position = (fence.seq, fence.done);
        let whole = i64::try_from(self.records.len()).ok() == Some(fence.kept_records);
        fence.owner == version.spec.owner
            && token_fits
            && fence.seq <= version.committed
            && fence.closed >= confirmed
            && self.mirror.is_none_or(|(seq, done)| done < 0 || position >= (seq, done))
            && whole
    }
}
