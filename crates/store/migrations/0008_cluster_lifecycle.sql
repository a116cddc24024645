-- Flex and paused clusters, process arguments, changes under way, loads of sample data.

-- 1: the flex API shows it, the cluster API does not.
ALTER TABLE clusters ADD COLUMN flex BIGINT NOT NULL DEFAULT 0;
-- What is wanted; the cluster is UPDATING until it is so.
ALTER TABLE clusters ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD COLUMN process_args TEXT NOT NULL DEFAULT '{}';
ALTER TABLE clusters ADD COLUMN fcv_pin TEXT;
ALTER TABLE clusters ADD COLUMN fcv_pin_until BIGINT;
-- Rises with each change that is asked for: whoever carries one out sees whether another came.
ALTER TABLE clusters ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clusters ADD COLUMN restart_wanted BIGINT NOT NULL DEFAULT 0;

CREATE TABLE sample_loads (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    cluster_id TEXT NOT NULL,
    cluster_name TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX sample_loads_by_project ON sample_loads (project_id);
CREATE INDEX sample_loads_by_state ON sample_loads (state);
