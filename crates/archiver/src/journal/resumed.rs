//! The journal of what an operator accepted of a suspended archive.

use portolan_model::ArchiveId;
use portolan_store::archives::work;
use portolan_store::jobs;
use portolan_store::moves::{self, Move, MoveState};

use super::{Journal, hold};
use crate::lease::Held;
use crate::resume::Resumption;
use crate::{ArchiverError, effects};

impl Journal {
    /// The moves of an archive that the journal knows as committed, beyond those that its table confirmed.
    pub(crate) async fn beyond(
        &self,
        id: ArchiveId,
        confirmed: i64,
    ) -> Result<Vec<Move>, ArchiverError> {
        self.store
            .read_tx("archiver.beyond", |tx| {
                Box::pin(async move { Ok(moves::beyond(tx, id, confirmed).await?) })
            })
            .await
    }

    /// Brings the journal in line with what was accepted. From here on the fence at the cluster is asked
    /// about no move until now.
    pub(crate) async fn resume(
        &self,
        held: &Held,
        resumption: &Resumption,
    ) -> Result<(), ArchiverError> {
        let Resumption { archive_id, job, moves: items, defined_by } = resumption;
        self.store
            .run_tx(effects::RESUME, |tx| {
                Box::pin(async move {
                    hold(tx, held).await?;
                    for item in items {
                        moves::save(tx, item).await?;
                        if item.state == MoveState::Abandoned {
                            moves::clear_kept(tx, *archive_id, item.seq).await?;
                        }
                    }
                    if let Some(version) = defined_by {
                        moves::unfence(tx, *archive_id).await?;
                        let spec = &version.spec;
                        let told = (version.config_version, spec.definition.as_ref(), &spec.rules);
                        work::align(tx, &self.system, *archive_id, told).await?;
                    }
                    Ok(jobs::save(tx, job).await?)
                })
            })
            .await
    }
}
