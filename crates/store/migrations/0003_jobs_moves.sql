-- Jobs, leases, archive runs and the journal of the move protocol.

-- One lease per collection of a cluster. Neither project nor organization is part of the key, so that
-- a project can move without its archives noticing.
CREATE TABLE leases (
    cluster_id TEXT NOT NULL,
    database_name TEXT NOT NULL,
    collection_name TEXT NOT NULL,
    -- Random, new with each taking.
    token TEXT NOT NULL,
    -- Rises while the holder lives. No clock is compared: a taker watches this number stand still.
    renewals BIGINT NOT NULL,
    -- Rises with each taking; the same number stands as fence in the archive's table.
    epoch BIGINT NOT NULL,
    -- For people.
    holder TEXT NOT NULL,
    released BIGINT NOT NULL,
    PRIMARY KEY (cluster_id, database_name, collection_name)
);

-- One move: one committed group of files. The table's log decides what is committed and confirmed;
-- this is the work queue that follows it.
CREATE TABLE moves (
    id TEXT PRIMARY KEY,
    archive_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    database_name TEXT NOT NULL,
    collection_name TEXT NOT NULL,
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    state TEXT NOT NULL,
    criteria_version BIGINT NOT NULL,
    cutoff_ms BIGINT,
    level TEXT NOT NULL,
    collection_uuid TEXT,
    -- Names, lengths and tags of the uploaded files (JSON).
    files TEXT NOT NULL,
    batches BIGINT NOT NULL,
    -- Last batch whose documents were deleted; -1: none.
    done BIGINT NOT NULL,
    documents BIGINT NOT NULL,
    bytes_raw BIGINT NOT NULL,
    bytes_stored BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    vanished BIGINT NOT NULL,
    -- Epoch that sent a delete whose answer is not known.
    unanswered_epoch BIGINT,
    -- The cluster's clock from which on that delete can have no effect any more.
    quiet_at BIGINT,
    -- Why no further batch is deleted.
    closed_because TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX moves_by_collection ON moves (cluster_id, database_name, collection_name, state);
CREATE INDEX moves_by_archive ON moves (archive_id, seq);

-- Committed rows whose document stayed in the cluster: hidden from readers until confirm removes them.
CREATE TABLE kept_rows (
    archive_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    -- Hexadecimal digits of the document's identity.
    identity TEXT NOT NULL,
    batch BIGINT NOT NULL,
    -- 1: seen with other bytes while no delete was unanswered.
    firm BIGINT NOT NULL,
    PRIMARY KEY (archive_id, seq, identity)
);

-- What users see of the archiver's work.
CREATE TABLE archive_runs (
    id TEXT PRIMARY KEY,
    archive_id TEXT NOT NULL,
    level TEXT NOT NULL,
    phase TEXT NOT NULL,
    moves BIGINT NOT NULL,
    documents_read BIGINT NOT NULL,
    documents_moved BIGINT NOT NULL,
    documents_deleted BIGINT NOT NULL,
    documents_kept BIGINT NOT NULL,
    documents_vanished BIGINT NOT NULL,
    documents_skipped BIGINT NOT NULL,
    bytes_read BIGINT NOT NULL,
    bytes_stored BIGINT NOT NULL,
    files BIGINT NOT NULL,
    error TEXT,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX archive_runs_by_archive ON archive_runs (archive_id, started_at);

-- Documents of a run that were skipped, kept or vanished, up to a limit per run.
CREATE TABLE archive_run_documents (
    run_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- The document's _id as extended JSON.
    document TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
);

-- When an archive is looked at next. No row: at once.
CREATE TABLE archive_jobs (
    archive_id TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL,
    -- Distance between looks; grows while there is little to move.
    interval_ms BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    last_error TEXT,
    -- The cluster's level when it was last probed.
    level TEXT,
    purged_at BIGINT,
    updated_at BIGINT NOT NULL
);
