//! Whether a store is fit for tables: it must refuse to create an object twice, give back what was
//! written, list names in order, and delete. What it answers is put into words that say what to do.
//!
//! Commits are worth nothing on a store that creates an object twice: two workers would both believe
//! that they wrote the same log entry.

use std::error::Error as _;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};
use portolan_runtime::Runtime;

use super::{Location, Place};
use crate::LakeError;

/// The clocks of a store and of this machine may differ by so much: no deadline is judged beyond it.
const SKEW_MS_MAX: u64 = 5 * 60_000;
/// Bytes of a server's answer that are shown.
const SHOWN_MAX: usize = 300;
/// Names written out of order, to be listed in order.
const NAMES: [&str; 3] = ["2", "0", "1"];

/// What a probe found out about a store that is fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitness {
    /// The store's clock less this machine's, in milliseconds; what lies within the time of the
    /// request, or within the second that most stores round to, is 0.
    pub clock_ahead_ms: i64,
    /// Time that the whole probe took, in milliseconds.
    pub took_ms: u64,
}

impl Location {
    /// Writes, reads, lists and deletes a few small objects. Put-if-absent is required.
    ///
    /// # Errors
    /// [`LakeError::Unfit`] with the step, what happened and what to do about it.
    pub async fn probe(&self, runtime: &Runtime) -> Result<Fitness, LakeError> {
        let store = self.store(runtime)?;
        let folder = format!("_probe-{}", hex::encode(runtime.random_bytes::<8>()));
        let probe = Probe { store, folder: Path::from(folder.as_str()), runtime };
        let started_ms = runtime.boot_ms();
        let found = probe.run().await;
        if found.is_err() {
            // As well as it can be done on a store that is not fit.
            probe.remove().await.ok();
        }
        if let Place::Folder(root, _) = &self.place {
            // Object stores know no folders; a file system keeps an empty one.
            std::fs::remove_dir(root.join(&folder)).ok();
        }
        let clock_ahead_ms = found?;
        Ok(Fitness { clock_ahead_ms, took_ms: runtime.boot_ms().saturating_sub(started_ms) })
    }
}

struct Probe<'a> {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    runtime: &'a Runtime,
}

impl Probe<'_> {
    async fn run(&self) -> Result<i64, LakeError> {
        let clock_ahead_ms = self.create().await?;
        self.create_again().await?;
        self.read_back().await?;
        self.list().await?;
        self.remove().await?;
        if clock_ahead_ms.unsigned_abs() > SKEW_MS_MAX {
            let seconds = clock_ahead_ms / 1_000;
            let cause = format!("the store's clock is {seconds} s ahead of this machine's");
            return Err(unfit("compare clocks", cause, SET_CLOCK));
        }
        Ok(clock_ahead_ms)
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    /// Creates the objects; tells how far the store's clock is ahead.
    async fn create(&self) -> Result<i64, LakeError> {
        let step = "create an object";
        let before_ms = self.runtime.now_ms();
        for name in NAMES {
            let path = self.path(name);
            let put = self.store.put_opts(&path, name.into(), PutMode::Create.into()).await;
            put.map_err(|error| match error {
                // Every name is fresh, so it is the container that was not found.
                Error::NotFound { .. } => no_bucket(step, &error),
                error => diagnose(step, &error),
            })?;
        }
        let head = self.store.head(&self.path(NAMES[0])).await;
        let stored_ms = head.map_err(|error| diagnose("look at an object", &error))?;
        let stored_ms = stored_ms.last_modified.timestamp_millis();
        let after_ms = self.runtime.now_ms();
        Ok(ahead_ms(stored_ms, before_ms, after_ms))
    }

    async fn create_again(&self) -> Result<(), LakeError> {
        let step = "create an object that is there";
        let path = self.path(NAMES[0]);
        match self.store.put_opts(&path, "again".into(), PutMode::Create.into()).await {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error @ (Error::NotImplemented { .. } | Error::NotSupported { .. })) => {
                Err(unfit(step, shown(&error), OTHER_SERVER))
            }
            Err(error) => Err(diagnose(step, &error)),
            Ok(_) => {
                let cause = "the server ignored the condition and overwrote it".to_owned();
                Err(unfit(step, cause, OTHER_SERVER))
            }
        }
    }

    async fn read_back(&self) -> Result<(), LakeError> {
        let step = "read an object back";
        for name in NAMES {
            let got = self.store.get(&self.path(name)).await;
            let got = got.map_err(|error| diagnose(step, &error))?;
            let bytes = got.bytes().await.map_err(|error| diagnose(step, &error))?;
            if bytes != name {
                let cause = format!("it holds {} other bytes", bytes.len());
                return Err(unfit(step, cause, OTHER_SERVER));
            }
        }
        Ok(())
    }

    /// Logs are read by listing, from an offset on, in the order of names.
    async fn list(&self) -> Result<(), LakeError> {
        let step = "list objects";
        let all = self.names(None).await.map_err(|error| diagnose(step, &error))?;
        let after = self.names(Some("0")).await.map_err(|error| diagnose(step, &error))?;
        if all == ["0", "1", "2"] && after == ["1", "2"] {
            return Ok(());
        }
        let cause = format!("it listed {all:?}, and {after:?} after \"0\"");
        Err(unfit(step, cause, OTHER_SERVER))
    }

    async fn names(&self, after: Option<&str>) -> Result<Vec<String>, Error> {
        let listed = match after {
            None => self.store.list(Some(&self.folder)),
            Some(name) => self.store.list_with_offset(Some(&self.folder), &self.path(name)),
        };
        let name = |meta: object_store::ObjectMeta| meta.location.filename().map(str::to_owned);
        listed.try_filter_map(|meta| std::future::ready(Ok(name(meta)))).try_collect().await
    }

    async fn remove(&self) -> Result<(), LakeError> {
        let step = "delete an object";
        for name in NAMES {
            match self.store.delete(&self.path(name)).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(diagnose(step, &error)),
            }
        }
        match self.store.head(&self.path(NAMES[0])).await {
            Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(diagnose(step, &error)),
            Ok(_) => Err(unfit(step, "it is still there".to_owned(), OTHER_SERVER)),
        }
    }
}

/// How far a stamp lies outside the time in which it was set, given that stores round to seconds.
fn ahead_ms(stored_ms: i64, before_ms: i64, after_ms: i64) -> i64 {
    if stored_ms < before_ms - 1_000 {
        stored_ms - before_ms
    } else if stored_ms > after_ms + 1_000 {
        stored_ms - after_ms
    } else {
        0
    }
}

const SET_CLOCK: &str = "let both take their time from NTP";
const MAKE_BUCKET: &str =
    "create the bucket or container, or correct the name in url; Portolan makes none";
const SET_KEY: &str = "check the key and that it may list, read, create and delete objects under the location's prefix";
const REACH: &str = "check endpoint, DNS, the network and, for https, the certificate (ca_file)";
const SET_REGION: &str = "set s3.region to the bucket's region";
const SHARPEN_KEY: &str = "check the stored secret: it is not what the server expects";
const OTHER_SERVER: &str = "use a server or release that has conditional puts (If-None-Match) and S3's, Azure's or Google's consistency";
const LOOK: &str = "see the server's own log";

fn unfit(step: &'static str, cause: String, remedy: &'static str) -> LakeError {
    LakeError::Unfit { step, cause, remedy }
}

fn no_bucket(step: &'static str, error: &Error) -> LakeError {
    unfit(step, format!("the bucket or container is not there: {}", shown(error)), MAKE_BUCKET)
}

/// Codes in servers' answers, with what they mean; the first that occurs decides.
/// Sources: "Error responses" of the Amazon S3 API, "Blob service error codes" of Azure.
const CODES: &[(&str, &str, &str)] = &[
    ("RequestTimeTooSkewed", "this machine's clock is wrong", SET_CLOCK),
    ("NoSuchBucket", "the bucket is not there", MAKE_BUCKET),
    ("ContainerNotFound", "the container is not there", MAKE_BUCKET),
    ("SignatureDoesNotMatch", "the credentials were refused", SHARPEN_KEY),
    ("InvalidAccessKeyId", "the credentials were refused", SET_KEY),
    ("PermanentRedirect", "the bucket is in another region", SET_REGION),
    ("AuthorizationHeaderMalformed", "the bucket is in another region", SET_REGION),
    ("incorrectly configured region", "the bucket is in another region", SET_REGION),
    ("NotImplemented", "the server lacks what is needed", OTHER_SERVER),
];

fn diagnose(step: &'static str, error: &Error) -> LakeError {
    let text = shown(error);
    let full = chain(error);
    if let Some((_, cause, remedy)) = CODES.iter().find(|(code, ..)| full.contains(code)) {
        return unfit(step, format!("{cause}: {text}"), remedy);
    }
    let (cause, remedy) = match (error, transport(error)) {
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) => {
            ("the credentials were refused", SET_KEY)
        }
        (_, Some(HttpErrorKind::Connect | HttpErrorKind::Timeout)) => {
            ("the endpoint cannot be reached", REACH)
        }
        (_, Some(_)) => ("the connection broke", REACH),
        _ => ("the server failed", LOOK),
    };
    unfit(step, format!("{cause}: {text}"), remedy)
}

/// The kind of a failure below HTTP, if it was one.
fn transport(error: &Error) -> Option<HttpErrorKind> {
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(http) = source.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        next = source.source();
    }
    None
}

/// The error with its sources.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The error in one line that is not too long.
fn shown(error: &Error) -> String {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_inside_the_request_or_its_second_is_no_skew() {
        assert_eq!(ahead_ms(10_000, 10_400, 10_600), 0);
        assert_eq!(ahead_ms(11_500, 10_400, 10_600), 0);
        assert_eq!(ahead_ms(0, 10_400, 10_600), -10_400);
        assert_eq!(ahead_ms(99_000, 10_400, 10_600), 88_400);
    }

    #[test]
    fn answers_become_causes_with_remedies() {
        let denied = |text: &str| Error::PermissionDenied { path: "p".into(), source: text.into() };
        let generic = |text: &str| Error::Generic { store: "S3", source: text.into() };
        for (error, remedy) in [
            (denied("RequestTimeTooSkewed"), SET_CLOCK),
            (denied("SignatureDoesNotMatch"), SHARPEN_KEY),
            (denied("AccessDenied"), SET_KEY),
            (generic("<Code>NoSuchBucket</Code>"), MAKE_BUCKET),
            (generic("A header you provided implies NotImplemented"), OTHER_SERVER),
            (generic("500"), LOOK),
        ] {
            let LakeError::Unfit { remedy: found, .. } = diagnose("x", &error) else {
                panic!("{error}")
            };
            assert_eq!(found, remedy, "{error}");
        }
        let long = shown(&generic(&"é".repeat(1_000)));
        assert!(long.chars().count() == SHOWN_MAX + 1 && long.ends_with('…'));
    }
}
