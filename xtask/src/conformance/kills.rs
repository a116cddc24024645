//! The kill matrix: real processes killed at every step of an archive's work on the default stack, and at
//! some on PostgreSQL, MinIO and FerretDB in all combinations. The cases are tests of the binary that are
//! ignored elsewhere.

use anyhow::{Result, ensure};

use super::{Folder, STOP_TIMEOUT_S, start_ferretdb, stores};
use crate::postgres::Postgres;
use crate::run;

/// Starts the servers, runs the cases, stops the servers.
pub(super) fn run(folder: &Folder) -> Result<()> {
    let postgres = Postgres::start(&folder.path.join("postgres-of-kills"))?;
    let minio = stores::Minio::start(folder, "minio-of-kills")?;
    let ferretdb = start_ferretdb(folder)?;
    let environment = [
        ("PORTOLAN_TEST_POSTGRES_URL", postgres.url.clone()),
        ("PORTOLAN_TEST_S3", minio.endpoint()),
        ("PORTOLAN_TEST_FERRETDB", ferretdb.uri.clone()),
    ];
    let result = make_bucket(&minio).and_then(|()| cases(&environment));
    let stopped = minio.stop();
    ferretdb.process.stop(STOP_TIMEOUT_S).and(stopped)?;
    result
}

/// The lake's suite makes the bucket that it wants.
fn make_bucket(minio: &stores::Minio) -> Result<()> {
    let arguments = ["test", "--test", "stores", "--", "--ignored", "on_s3::"];
    let environment = [("PORTOLAN_TEST_S3", minio.endpoint())];
    let answer = run::output_with(&run::cargo(), &arguments, &environment)?;
    ensure!(answer.contains("test result: ok."), "the lake's suite failed on MinIO:\n{answer}");
    Ok(())
}

fn cases(environment: &[(&str, String)]) -> Result<()> {
    let arguments = ["test", "--test", "it", "--", "--ignored", "--nocapture", "kill_matrix"];
    let answer = run::output_with(&run::cargo(), &arguments, environment)?;
    for line in answer.lines().filter(|line| line.starts_with("killed")) {
        println!("· kills: {line}");
    }
    ensure!(answer.contains("test result: ok. 4 passed"), "not all cases passed:\n{answer}");
    Ok(())
}
