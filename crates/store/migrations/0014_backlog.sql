-- What was cold and stayed in the cluster when a look or a run ended; none: not known.
ALTER TABLE archive_jobs ADD COLUMN cold_documents BIGINT;
ALTER TABLE archive_jobs ADD COLUMN cold_bytes BIGINT;

-- What is under way is counted without reading what is over.
CREATE INDEX moves_by_state ON moves (state);
