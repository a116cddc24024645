-- Which taking of an operation its worker is: only the newest one may write it.
ALTER TABLE archive_operations ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;
-- Attempts in a row that failed for a reason that may pass, and when the next one may begin.
ALTER TABLE archive_operations ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE archive_operations ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;
-- Milliseconds that a run spent in each phase (JSON), and when the one it is in began.
ALTER TABLE archive_runs ADD COLUMN phases TEXT NOT NULL DEFAULT '{}';
ALTER TABLE archive_runs ADD COLUMN phase_since BIGINT NOT NULL DEFAULT 0;
