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
/// Writing files without kept and superseded rows.
pub const REWRITE: &str = "archiver.rewrite";
/// Removing superseded rows from another table of the collection.
pub const SUPERSEDE: &str = "archiver.supersede";
/// The confirm commit.
pub const CONFIRM: &str = "archiver.confirm";
/// Journalling it.
pub const CONFIRMED: &str = "archiver.confirmed";
/// Ending a run in the journal; the archive becomes IDLE or PAUSED.
pub const RUN_END: &str = "archiver.run.end";
/// Giving the lease back.
pub const LEASE_RELEASE: &str = "archiver.lease.release";
/// Setting the time of the next look.
pub const SCHEDULE: &str = "archiver.schedule";
/// Removing the table of a deleted archive.
pub const PURGE: &str = "archiver.purge";
/// Journalling that it is gone.
pub const PURGED: &str = "archiver.purged";

/// Every name.
pub const ALL: [&str; 31] = [
    LEASE_TAKE,
    LEASE_RENEW,
    RUN_START,
    CREATE_TABLE,
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
    REWRITE,
    SUPERSEDE,
    CONFIRM,
    CONFIRMED,
    RUN_END,
    LEASE_RELEASE,
    SCHEDULE,
    PURGE,
    PURGED,
];
