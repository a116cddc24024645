-- How a run waits for its cluster: so long until now, and what for just now.
ALTER TABLE archive_runs ADD COLUMN waited_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE archive_runs ADD COLUMN waiting_for TEXT;
-- Windows in a row that closed before all that was cold was moved.
ALTER TABLE archive_jobs ADD COLUMN full_windows BIGINT NOT NULL DEFAULT 0;
