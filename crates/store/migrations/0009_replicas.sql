-- For several processes on one control state: where sandbox clusters live, and which archives are due.

-- No reference to clusters: the process that holds the data reads here that it may remove it.
CREATE TABLE cluster_homes (
    cluster_id TEXT NOT NULL PRIMARY KEY,
    home TEXT NOT NULL,
    claimed_at BIGINT NOT NULL
);
CREATE INDEX cluster_homes_home ON cluster_homes (home);

-- Every archive has a job from its beginning, so that a look for work reads those that are due and no
-- others. A distance of 0: none was set yet.
INSERT INTO archive_jobs (archive_id, due_at, interval_ms, failures, updated_at)
    SELECT id, 0, 0, 0, created_at FROM online_archives
    WHERE id NOT IN (SELECT archive_id FROM archive_jobs);
CREATE INDEX archive_jobs_due ON archive_jobs (due_at);

-- What deleting a key and counting a project's archives would otherwise read a whole table for.
CREATE INDEX link_tokens_key ON link_tokens (api_key_id);
CREATE INDEX online_archives_project ON online_archives (project_id);
