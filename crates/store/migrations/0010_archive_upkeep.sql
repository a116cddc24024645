-- What is set for an archive's data, when it is looked after, and what was done for it.

-- Rises with each change of hold and expiration rule; the table of the archive carries it, too.
ALTER TABLE online_archives ADD COLUMN rules_version BIGINT NOT NULL DEFAULT 0;
-- A hold on everything in the archive; no time: none.
ALTER TABLE online_archives ADD COLUMN hold_at BIGINT;
ALTER TABLE online_archives ADD COLUMN hold_by TEXT;
ALTER TABLE online_archives ADD COLUMN hold_reason TEXT;
-- When its table began to be removed: from then on the deletion cannot be taken back.
ALTER TABLE online_archives ADD COLUMN purging_at BIGINT;

-- 1: an operator asked for a run.
ALTER TABLE archive_jobs ADD COLUMN run_requested BIGINT NOT NULL DEFAULT 0;
-- The index that the last look missed, as a line to paste.
ALTER TABLE archive_jobs ADD COLUMN create_index TEXT;

-- When the data of an archive is looked after next: expiry and clean-up.
CREATE TABLE archive_upkeep (
    archive_id TEXT PRIMARY KEY,
    due_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    last_error TEXT,
    updated_at BIGINT NOT NULL
);
INSERT INTO archive_upkeep (archive_id, due_at, failures, updated_at)
    SELECT id, 0, 0, created_at FROM online_archives;
CREATE INDEX archive_upkeep_due ON archive_upkeep (due_at);

-- Work on an archive beside its runs, asked for by an operator or begun by the archiver.
CREATE TABLE archive_operations (
    id TEXT PRIMARY KEY,
    archive_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    -- What was asked for (JSON).
    request TEXT NOT NULL,
    -- How far it is, and what it found (JSON).
    progress TEXT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX archive_operations_by_archive ON archive_operations (archive_id, created_at);
CREATE INDEX archive_operations_by_state ON archive_operations (state);
