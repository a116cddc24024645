//! Tests of locations that need no server: names, refusals, what a probe sees, what is never shown.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use portolan_security::SecretString;

use super::*;

/// A text that must appear nowhere.
const CANARY: &str = "Y2FuYXJ5LXNlY3JldC1rZXk=";

fn s3(url: &str) -> Remote {
    Remote {
        url: url.into(),
        endpoint: None,
        allow_http: false,
        ca_pem: None,
        timeout_ms: 1_000,
        protocol: Protocol::S3(S3Access { key: Some(key()), ..S3Access::default() }),
    }
}

fn key() -> S3Key {
    S3Key { id: "id".into(), secret: SecretString::from(CANARY), token: None }
}

fn azure(secret: AzureSecret) -> Remote {
    let protocol = Protocol::Azure(AzureAccess { secret: Some(secret) });
    Remote { protocol, ..s3("abfss://box@account.dfs.core.windows.net/p") }
}

#[test]
fn tables_of_a_bucket_have_the_uris_that_other_engines_use() {
    let location = Location::remote(&s3("s3://bucket/some/prefix")).unwrap();
    assert_eq!(location.table_uri("x1"), "s3://bucket/some/prefix/x1");
    assert_eq!(location.table_name("s3://bucket/some/prefix/x1").unwrap(), "x1");
    let location = Location::remote(&s3("s3://bucket")).unwrap();
    assert_eq!(location.table_uri("x1"), "s3://bucket/x1");
    let secret = AzureSecret::Key(SecretString::from(CANARY));
    let location = Location::remote(&azure(secret)).unwrap();
    assert_eq!(location.table_uri("x1"), "abfss://box@account.dfs.core.windows.net/p/x1");
}

#[tokio::test]
async fn a_folder_that_counts_syncs_knows_what_a_loss_of_power_would_take() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), Runtime::system());
    let location = Location::folder(dir.path()).unwrap().counting_syncs();
    let store = location.store(&runtime).unwrap();
    let put = async |path: &str| store.put(&ObjectPath::from(path), "x".into()).await.unwrap();
    put("t/part").await;
    // The file, its folder and the root.
    assert_eq!((location.syncs(), location.unsynced(&runtime).await.unwrap()), (3, vec![]));
    let root = dir.path().canonicalize().unwrap();
    std::fs::write(root.join("t/beside"), "x").unwrap();
    std::fs::write(root.join("t/part"), "longer").unwrap();
    assert_eq!(location.unsynced(&runtime).await.unwrap(), ["t/beside", "t/part"]);
    location.settle(&runtime, &"t/beside".into()).await.unwrap();
    put("t/part").await;
    assert!(location.unsynced(&runtime).await.unwrap().is_empty());
    std::fs::rename(root.join("t/part"), root.join("t/moved")).unwrap();
    assert_eq!(location.unsynced(&runtime).await.unwrap(), ["t/moved"]);
}

#[test]
fn a_location_holds_what_lies_in_it_and_nothing_beside_it() {
    let bucket = Location::remote(&s3("s3://bucket/a")).unwrap();
    let beside = Location::remote(&s3("s3://bucket/ab")).unwrap();
    let inside = Location::remote(&s3("s3://bucket/a/b")).unwrap();
    assert!(bucket.holds("s3://bucket/a/x1") && !bucket.holds("s3://bucket/ab/x1"));
    assert!(!bucket.overlaps(&beside) && bucket.overlaps(&inside) && inside.overlaps(&bucket));
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let refused = |remote: Remote| match Location::remote(&remote) {
        Err(LakeError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(s3("bucket")).starts_with("url: "));
    assert!(refused(s3("gs://bucket")).contains("s3://BUCKET/PREFIX"));
    assert!(refused(s3("s3://bucket/?versionId=1")).contains("query"));
    let plain = Remote { endpoint: Some("http://h:9000".into()), ..s3("s3://bucket") };
    assert!(refused(plain).contains("allow_http"));
    let odd = Remote { endpoint: Some("ftp://h".into()), ..s3("s3://bucket") };
    assert!(refused(odd).starts_with("endpoint: "));
    let authority = Remote { ca_pem: Some(b"-----BEGIN CERT".to_vec()), ..s3("s3://bucket") };
    assert!(refused(authority).starts_with("ca_file: "));
    let broken = AzureSecret::Key(SecretString::from("not base64!"));
    assert!(refused(azure(broken)).starts_with("azure: "));
    let service = GcsAccess { service_account: Some("{}".into()), anonymous: false };
    let google = Remote { protocol: Protocol::Gcs(service), ..s3("gs://bucket") };
    assert!(refused(google).starts_with("gcs: "));
    let kms =
        S3Access { encryption: Some("rot13".into()), key: Some(key()), ..S3Access::default() };
    assert!(refused(Remote { protocol: Protocol::S3(kms), ..s3("s3://b") }).starts_with("s3: "));
}

#[tokio::test]
async fn secrets_are_neither_shown_nor_part_of_an_error() {
    let nobody = Some("http://127.0.0.1:9/account".to_owned());
    let token = format!("sv=2024&sig={CANARY}");
    for remote in [
        s3("s3://bucket"),
        azure(AzureSecret::Key(SecretString::from(CANARY))),
        azure(AzureSecret::Sas(SecretString::from(token))),
    ] {
        let remote = Remote { endpoint: nobody.clone(), allow_http: true, ..remote };
        let location = Location::remote(&remote).unwrap();
        let error = location.probe(&Runtime::system()).await.unwrap_err();
        assert!(matches!(error, LakeError::Unfit { .. }), "{error:?}");
        let shown = format!("{error} {error:?} {location:?} {remote:?}");
        assert!(shown.contains("cannot be reached") && shown.contains("endpoint"), "{shown}");
        for canary in [CANARY, &CANARY[..12], "canary-secret-key"] {
            assert!(!shown.contains(canary), "{shown}");
        }
    }
}

#[tokio::test]
async fn memory_and_a_folder_are_fit() {
    let folder = tempfile::tempdir().unwrap();
    for location in [Location::memory(), Location::folder(folder.path()).unwrap()] {
        let fitness = location.probe(&Runtime::system()).await.unwrap();
        assert_eq!(fitness.clock_ahead_ms, 0);
        let store = location.store(&Runtime::system()).unwrap();
        let left: Vec<_> = futures::TryStreamExt::try_collect(store.list(None)).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn a_store_with_a_fault_is_unfit_and_the_step_is_named() {
    let (runtime, _) = Runtime::manual(1_700_000_000_000, 1);
    for (fault, step, cause) in [
        (Fault::Overwrites, "create an object that is there", "ignored the condition"),
        (Fault::Forgets, "list objects", "listed"),
        (Fault::Keeps, "delete an object", "still there"),
        (Fault::Garbles, "read an object back", "other bytes"),
        (Fault::None, "compare clocks", "clock"),
    ] {
        let store = Arc::new(Faulty { inner: InMemory::new(), fault });
        let location = Location { place: Place::Store(store), ..Location::memory() };
        // Memory stamps objects with the system's time, which is far from the manual clock's.
        match location.probe(&runtime).await {
            Err(LakeError::Unfit { step: at, cause: why, remedy }) => {
                assert_eq!(at, step);
                assert!(why.contains(cause) && !remedy.is_empty(), "{why}");
            }
            other => panic!("{step}: {other:?}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Creates an object twice.
    Overwrites,
    /// Lists nothing.
    Forgets,
    /// Deletes nothing.
    Keeps,
    /// Gives other bytes back.
    Garbles,
}

/// A store in memory with one fault.
#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    fault: Fault,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.fault)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &ObjectPath,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> StoreResult<PutResult> {
        if self.fault == Fault::Overwrites {
            options.mode = PutMode::Overwrite;
        }
        let payload = if self.fault == Fault::Garbles { "garbled".into() } else { payload };
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(
        &self,
        path: &ObjectPath,
        ranges: &[Range<u64>],
    ) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        if self.fault == Fault::Keeps { paths } else { self.inner.delete_stream(paths) }
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let wanted = prefix.filter(|_| self.fault != Fault::Forgets).cloned();
        self.inner.list(Some(&wanted.unwrap_or_else(|| ObjectPath::from("nowhere"))))
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        options: CopyOptions,
    ) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
