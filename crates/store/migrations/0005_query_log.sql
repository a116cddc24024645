-- The query log of read endpoints, what their queries read, limits of that; clusters of events.

-- Lists of events are filtered by cluster.
ALTER TABLE events ADD COLUMN cluster_name TEXT;

CREATE TABLE query_log (
    cluster_id TEXT NOT NULL,
    -- When the query ended (12 hexadecimal digits of milliseconds), then a unique number: sorts by time.
    id TEXT NOT NULL,
    -- 1: asked of the archive alone.
    archive_only BIGINT NOT NULL,
    -- One JSON document, as it is downloaded.
    line TEXT NOT NULL,
    PRIMARY KEY (cluster_id, id)
);
CREATE INDEX query_log_by_time ON query_log (id);

-- Bytes that the queries of an endpoint read on one day (days since the epoch, UTC).
CREATE TABLE query_usage (
    cluster_id TEXT NOT NULL,
    archive_only BIGINT NOT NULL,
    day BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (cluster_id, archive_only, day)
);
CREATE INDEX query_usage_by_day ON query_usage (day);

CREATE TABLE query_limits (
    cluster_id TEXT NOT NULL REFERENCES clusters (id) ON DELETE CASCADE,
    archive_only BIGINT NOT NULL,
    name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    overrun_policy TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (cluster_id, archive_only, name)
);
