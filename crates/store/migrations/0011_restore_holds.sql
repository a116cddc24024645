-- Documents that returned to a cluster and are not archived again for a while.
CREATE TABLE restore_holds (
    cluster_id TEXT NOT NULL,
    database_name TEXT NOT NULL,
    collection_name TEXT NOT NULL,
    -- Hexadecimal digits of the document's identity.
    identity TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (cluster_id, database_name, collection_name, identity)
);
