//! Documents in open tables on object storage: layout, writer, verifier, scan.
