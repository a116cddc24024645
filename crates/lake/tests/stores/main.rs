//! One suite for every store that tables can live in: memory, a local folder, and real servers of S3,
//! Azure Blob Storage and Google Cloud Storage.
//!
//! The servers are named by variables (`PORTOLAN_TEST_S3` and so on, see `places.rs`); without them
//! their tests are listed as ignored. `cargo xtask conformance --full` starts the servers, runs every
//! test and counts them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod cases;
mod places;

/// Writes each case once for each store. What needs a server is ignored unless it is asked for.
macro_rules! on_each_store {
    ($($case:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::cases::$case(crate::places::memory()).await;
            })*
        }
        mod on_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::cases::$case(crate::places::folder()).await;
            })*
        }
        mod on_s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a server: PORTOLAN_TEST_S3"]
            async fn $case() {
                crate::cases::$case(crate::places::s3().await).await;
            })*
        }
        mod on_azure {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a server: PORTOLAN_TEST_AZURE"]
            async fn $case() {
                crate::cases::$case(crate::places::azure().await).await;
            })*
        }
        mod on_gcs {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a server: PORTOLAN_TEST_GCS"]
            async fn $case() {
                crate::cases::$case(crate::places::gcs().await).await;
            })*
        }
    };
}

on_each_store!(
    a_probe_finds_it_fit_and_leaves_nothing,
    a_table_is_created_once,
    a_move_comes_back_byte_by_byte,
    a_large_file_is_read_in_parts,
    replies_that_are_lost_do_no_harm,
    of_rivals_one_wins_each_version,
    a_checkpoint_says_what_the_log_says,
    the_stores_clock_is_told,
);

/// A bucket with Object Lock is fit, and a table in it is as anywhere.
mod object_lock {
    use crate::{cases, places};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs a server: PORTOLAN_TEST_S3"]
    async fn on_s3() {
        cases::a_probe_finds_it_fit_and_leaves_nothing(places::s3_with_object_lock().await).await;
        cases::a_move_comes_back_byte_by_byte(places::s3_with_object_lock().await).await;
    }

    /// All that a table does works, and what was removed from view is there for its time.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs a server: PORTOLAN_TEST_S3"]
    async fn with_retention_on_s3() {
        let (_, place) = places::s3_with_retention().await;
        cases::a_probe_finds_it_fit_and_leaves_nothing(place).await;
        let (server, place) = places::s3_with_retention().await;
        cases::what_is_cleaned_up_is_retained(&server, place).await;
        let (server, place) = places::s3_with_retention().await;
        cases::what_is_purged_is_retained(&server, place).await;
    }
}

/// Encryption by the server: each object says that it is, and comes back as it was.
mod encryption {
    use crate::{cases, places};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs a server: PORTOLAN_TEST_S3"]
    async fn on_s3() {
        let (server, place) = places::s3_encrypted("AES256", None).await;
        cases::every_object_is_encrypted(&server, place, "AES256").await;
        let key = Some(places::KMS_KEY);
        let (server, place) = places::s3_encrypted("aws:kms", key).await;
        cases::every_object_is_encrypted(&server, place, "aws:kms").await;
    }
}

/// What servers refuse, and what is said about it.
mod refusals {
    use crate::places;

    #[tokio::test]
    #[ignore = "needs a server: PORTOLAN_TEST_S3"]
    async fn on_s3() {
        let server = places::s3_server();
        places::refuses(server.with_bucket("absent"), "create the bucket").await;
        places::refuses(server.with_secret("wrong"), "check the stored secret").await;
        places::refuses(server.with_key("nobody"), "check the key").await;
    }

    #[tokio::test]
    #[ignore = "needs a server: PORTOLAN_TEST_AZURE"]
    async fn on_azure() {
        let server = places::azure_server();
        places::refuses(server.with_bucket("absent"), "create the bucket").await;
        places::refuses(server.with_secret("d3Jvbmc="), "check the key").await;
    }

    #[tokio::test]
    #[ignore = "needs a server: PORTOLAN_TEST_GCS"]
    async fn on_gcs() {
        let server = places::gcs_server();
        places::refuses(server.with_bucket("absent"), "create the bucket").await;
    }
}
