-- Data files of archives that are not as they should be: left alone until a verification finds them sound.
CREATE TABLE archive_quarantine (
    archive_id TEXT NOT NULL,
    -- Relative to the archive's table.
    path TEXT NOT NULL,
    problem TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    PRIMARY KEY (archive_id, path)
);
-- Why no run of an archive begins now, when its cluster may not be burdened.
ALTER TABLE archive_jobs ADD COLUMN waiting_for TEXT;
