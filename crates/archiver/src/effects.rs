//! The names of the archiver's effect points, in the order in which a first run passes them. Fault
//! plans name them; tests enumerate [`ALL`], so a new effect without a name here goes untested.

/// Taking the lease in the journal.
pub const LEASE_TAKE: &str = "archiver.lease.take";
/// Renewing it.
pub const LEASE_RENEW: &str = "archiver.lease.renew";
/// Beginning a run in the journal; the archive becomes ARCHIVING.
pub const RUN_START: &str = "archiver.run.start";
/// Creating the archive's table.
pub const CREATE_TABLE: &str = "archiver.create_table";
/// Raising the fence at the source cluster.
pub const SOURCE_FENCE: &str = "archiver.source_fence";
/// The fence commit of a takeover.
pub const FENCE: &str = "archiver.fence";
/// Bringing the journal in line with the table.
pub const RECONCILE: &str = "archiver.reconcile";
/// Storing the types of the partition fields.
pub const SAMPLE: &str = "archiver.sample";
/// Journalling a planned move.
pub const PLAN: &str = "archiver.plan";
/// Reading documents from the cluster.
pub const READ: &str = "archiver.read";
/// Journalling that files are about to be written.
pub const STAGE: &str = "archiver.stage";
/// Uploading files.
pub const UPLOAD: &str = "archiver.upload";
/// Journalling them.
pub const UPLOADED: &str = "archiver.uploaded";
/// Reading the files back.
pub const VERIFY: &str = "archiver.verify";
/// Journalling that they are right.
pub const VERIFIED: &str = "archiver.verified";
/// The commit of a move in the table's log.
pub const COMMIT: &str = "archiver.commit";
/// Journalling it.
pub const COMMITTED: &str = "archiver.committed";
/// Looking at the committed files once more.
pub const PRESENT: &str = "archiver.present";
/// Journalling the permission to delete.
pub const PUBLISH: &str = "archiver.publish";
/// Journalling that a batch is about to be deleted.
pub const BATCH: &str = "archiver.batch";
/// Deleting a batch from the cluster.
pub const DELETE: &str = "archiver.delete";
/// Journalling that it is done.
pub const BATCH_DONE: &str = "archiver.batch.done";
/// Journalling that no further batch is deleted.
pub const CLOSE: &str = "archiver.close";
/// Closing a move at the source's fence.
pub const SOURCE_CLOSE: &str = "archiver.source_close";
/// Writing files without kept and superseded rows.
pub const REWRITE: &str = "archiver.rewrite";
/// Removing superseded rows from another table of the collection.
pub const SUPERSEDE: &str = "archiver.supersede";
/// The confirm commit.
pub const CONFIRM: &str = "archiver.confirm";
/// Journalling it.
pub const CONFIRMED: &str = "archiver.confirmed";
/// Forgetting what the source recorded of a confirmed move.
pub const SOURCE_CLEAR: &str = "archiver.source_clear";
/// Journalling that a run waits for its cluster.
pub const RUN_WAIT: &str = "archiver.run.wait";
/// Ending a run in the journal; the archive becomes IDLE or PAUSED.
pub const RUN_END: &str = "archiver.run.end";
/// Giving the lease back.
pub const LEASE_RELEASE: &str = "archiver.lease.release";
/// Setting the time of the next look.
pub const SCHEDULE: &str = "archiver.schedule";
/// Writing hold and expiration rule into the table's properties.
pub const RULES: &str = "archiver.rules";
/// Writing our name into a table that was attached.
pub const OWN: &str = "archiver.own";
/// Accepting in a table what another engine did to it.
pub const ADOPT: &str = "archiver.adopt";
/// Writing into a table which collection its rows belong to.
pub const PLACE: &str = "archiver.place";
/// Journalling what an operator accepted of a suspended archive.
pub const RESUME: &str = "archiver.resume";
/// Writing how an archive is defined into its table.
pub const DEFINE: &str = "archiver.define";
/// Writing files without expired rows.
pub const EXPIRY_REWRITE: &str = "archiver.expiry.rewrite";
/// Journalling that an operation begins.
pub const OPERATION_START: &str = "archiver.operation.start";
/// Journalling how far an operation is.
pub const OPERATION_PROGRESS: &str = "archiver.operation.progress";
/// Taking an operation from the queue.
pub const OPERATION_CLAIM: &str = "archiver.operation.claim";
/// Journalling which documents return to a cluster and are held back from archiving.
pub const RESTORE_HOLD: &str = "archiver.restore.hold";
/// Inserting documents that return to a cluster.
pub const RESTORE: &str = "archiver.restore";
/// The commit by which expired rows leave the table.
pub const EXPIRE: &str = "archiver.expire";
/// Removing objects that nothing needs.
pub const CLEAN_UP: &str = "archiver.clean_up";
/// Journalling how an operation ended.
pub const OPERATION_DONE: &str = "archiver.operation.done";
/// Setting the time of the next upkeep.
pub const UPKEEP: &str = "archiver.upkeep";
/// Writing small files again as few, and verifying them.
pub const COMPACTION_REWRITE: &str = "archiver.compaction_rewrite";
/// Committing that they take the place of the small ones.
pub const COMPACT: &str = "archiver.compact";
/// Writing files again without a document, and verifying them.
pub const REDACTION_REWRITE: &str = "archiver.redaction_rewrite";
/// Committing that the document left the table.
pub const REDACT: &str = "archiver.redact";
/// Removing older versions of a table, and what only they name.
pub const FORGET_HISTORY: &str = "archiver.forget_history";
/// Removing what the journal says of a redacted document.
pub const FORGET_TRACES: &str = "archiver.forget_traces";
/// Journalling that a file is not sound and is left alone, or no longer.
pub const QUARANTINE: &str = "archiver.quarantine";
/// Journalling that a table is being removed: from then on the deletion cannot be taken back.
pub const PURGING: &str = "archiver.purging";
/// Removing the table of a deleted archive.
pub const PURGE: &str = "archiver.purge";
/// Journalling that it is gone.
pub const PURGED: &str = "archiver.purged";
/// Removing what came into its place since, and its tombstone.
pub const SWEEP: &str = "archiver.sweep";
/// Forgetting the archive.
pub const FORGOTTEN: &str = "archiver.forgotten";

/// Every name.
pub const ALL: [&str; 61] = [
    LEASE_TAKE,
    LEASE_RENEW,
    RUN_START,
    CREATE_TABLE,
    SOURCE_FENCE,
    FENCE,
    RECONCILE,
    SAMPLE,
    PLAN,
    READ,
    STAGE,
    UPLOAD,
    UPLOADED,
    VERIFY,
    VERIFIED,
    COMMIT,
    COMMITTED,
    PRESENT,
    PUBLISH,
    BATCH,
    DELETE,
    BATCH_DONE,
    CLOSE,
    SOURCE_CLOSE,
    REWRITE,
    SUPERSEDE,
    CONFIRM,
    CONFIRMED,
    SOURCE_CLEAR,
    RUN_WAIT,
    RUN_END,
    LEASE_RELEASE,
    SCHEDULE,
    RULES,
    OWN,
    ADOPT,
    PLACE,
    RESUME,
    DEFINE,
    EXPIRY_REWRITE,
    OPERATION_START,
    OPERATION_PROGRESS,
    OPERATION_CLAIM,
    RESTORE_HOLD,
    RESTORE,
    EXPIRE,
    COMPACTION_REWRITE,
    COMPACT,
    REDACTION_REWRITE,
    REDACT,
    FORGET_HISTORY,
    FORGET_TRACES,
    CLEAN_UP,
    OPERATION_DONE,
    UPKEEP,
    QUARANTINE,
    PURGING,
    PURGE,
    PURGED,
    SWEEP,
    FORGOTTEN,
];
