//! Strange documents through whole runs: each is moved byte by byte, or stays where it is and is listed
//! with the reason.

use bson::{RawDocumentBuf, rawdoc};
use portolan_model::{ArchiveState, Criteria, DateFormat, GuardLevel};
use portolan_runtime::FaultPlan;
use portolan_store::runs::{self, DocumentKind, RunDocument};
use portolan_store::{Page, StoreError};

use super::world::{Documents, NOW_MS, World, by_identity, flights};

const LEVELS: [GuardLevel; 3] = [GuardLevel::L3, GuardLevel::L2, GuardLevel::L1];
/// Largest document that MongoDB takes.
const BYTES_MAX: usize = 16 << 20;

impl World {
    /// What the archive's runs list, oldest first.
    pub(super) async fn named(&self) -> Vec<RunDocument> {
        let runs = self.runs().await;
        let store = self.store(FaultPlan::none()).await;
        let mut named = Vec::new();
        for run in runs {
            let listed = store
                .read_tx::<_, StoreError, _>("test.named", |tx| {
                    Box::pin(async move { runs::documents(tx, run.id, Page::ALL).await })
                })
                .await
                .expect("read");
            named.extend(listed.items);
        }
        store.close().await;
        named
    }
}

/// A document of (type, name, payload), as no builder would make it.
fn raw(elements: &[(u8, &[u8], &[u8])]) -> RawDocumentBuf {
    RawDocumentBuf::from_bytes(bytes_of(elements)).expect("whole")
}

fn bytes_of(elements: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
    let mut body = vec![0; 4];
    for (kind, name, payload) in elements {
        body.push(*kind);
        body.extend_from_slice(name);
        body.push(0);
        body.extend_from_slice(payload);
    }
    body.push(0);
    let length = i32::try_from(body.len()).expect("small");
    body[..4].copy_from_slice(&length.to_le_bytes());
    body
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len() + 1).expect("small").to_le_bytes();
    [&length, bytes, &[0]].concat()
}

fn binary(subtype: u8, bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len()).expect("small").to_le_bytes();
    [&length[..], &[subtype], bytes].concat()
}

/// A date that is cold.
fn cold() -> [u8; 8] {
    (NOW_MS - 30 * 86_400_000).to_le_bytes()
}

/// A cold document with one more field.
fn with(id: i32, kind: u8, name: &[u8], payload: &[u8]) -> RawDocumentBuf {
    let id = id.to_le_bytes();
    raw(&[(0x10, b"_id", &id), (0x09, b"at", &cold()), (kind, name, payload)])
}

/// A value of every type that BSON knows, as (type, payload).
fn every_value() -> Vec<(u8, Vec<u8>)> {
    let inner = bytes_of(&[(0x10, b"b", &1_i32.to_le_bytes()), (0x0a, b"a", &[])]);
    let out_of_order = bytes_of(&[(0x10, b"7", &1_i32.to_le_bytes()), (0x08, b"x", &[1])]);
    let scope = [text(b"f(x)"), inner.clone()].concat();
    let scope =
        [&i32::try_from(scope.len() + 4).expect("small").to_le_bytes()[..], &scope].concat();
    let mut values = vec![
        (0x01, (-0.0_f64).to_le_bytes().to_vec()),
        (0x01, 0x7ff8_0000_dead_beef_u64.to_le_bytes().to_vec()),
        (0x02, text("ü\0x".as_bytes())),
        (0x03, inner),
        (0x04, out_of_order),
        (0x05, binary(2, &[&3_i32.to_le_bytes()[..], &[1, 2, 3]].concat())),
        (0x06, Vec::new()),
        (0x07, vec![5; 12]),
        (0x08, vec![0]),
        (0x09, i64::MIN.to_le_bytes().to_vec()),
        (0x0a, Vec::new()),
        (0x0b, b"^a.*\0im\0".to_vec()),
        (0x0c, [text(b"db.c"), vec![9; 12]].concat()),
        (0x0d, text(b"f()")),
        (0x0e, text(b"symbol")),
        (0x0f, scope),
        (0x10, i32::MIN.to_le_bytes().to_vec()),
        (0x11, [6, 0, 0, 0, 5, 0, 0, 0].to_vec()),
        (0x12, i64::MAX.to_le_bytes().to_vec()),
        (0x13, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x46, 0x30].to_vec()),
        (0x13, [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x44, 0x30].to_vec()),
        (0xff, Vec::new()),
        (0x7f, Vec::new()),
    ];
    // Generic, function, both UUIDs, MD5, encrypted, column, sensitive, vector, a user's own.
    for subtype in [0, 1, 3, 4, 5, 6, 7, 8, 9, 0x80, 0xff] {
        values.push((0x05, binary(subtype, &[7; 16])));
    }
    values
}

/// Runs on these documents; gives the world and what stayed.
async fn run_on(level: GuardLevel, documents: &[RawDocumentBuf]) -> World {
    let mut world = World::at(level).await;
    world.options.batch_documents_max = 500;
    world.cluster.insert(&flights(), documents.iter().cloned()).expect("inserted");
    world.pass(FaultPlan::none()).await;
    world
}

/// All moved, none listed.
async fn all_moved(level: GuardLevel, documents: &[RawDocumentBuf]) {
    let world = run_on(level, documents).await;
    assert_eq!(world.named().await, [], "{level}");
    assert_eq!(world.live().len(), 0, "{level}");
    let archived = world.archived().await;
    assert!(archived == by_identity(documents.iter().cloned()), "{level}: {}", archived.len());
}

/// None moved; each listed with a reason that says this.
async fn all_listed(level: GuardLevel, documents: &[RawDocumentBuf], reason: &str) {
    let world = run_on(level, documents).await;
    let named = world.named().await;
    assert_eq!(named.len(), documents.len(), "{level}: {named:?}");
    for one in &named {
        assert_eq!(one.kind, DocumentKind::Skipped, "{level}");
        assert!(one.reason.contains(reason), "{level}: {}", one.reason);
    }
    let live = world.cluster.documents(&flights());
    assert!(documents.iter().all(|document| live.contains(document)), "{level}: they stay");
    assert_eq!((live.len(), world.archived().await), (documents.len(), Documents::new()));
    assert_eq!(world.state().await, ArchiveState::Idle, "{level}: nothing else is wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_is_moved_byte_by_byte() {
    let mut documents = Vec::new();
    for (id, (kind, payload)) in (0..).zip(every_value()) {
        let within = bytes_of(&[(kind, b"0", &payload), (kind, b"1", &payload)]);
        documents.push(with(id, kind, b"value", &payload));
        documents.push(with(1_000 + id, 0x04, b"values", &within));
        documents.push(with(2_000 + id, 0x03, b"values", &within));
    }
    for level in [GuardLevel::L3, GuardLevel::L2] {
        all_moved(level, &documents).await;
    }
    // Undefined cannot be compared in a filter.
    let (undefined, others): (Vec<_>, Vec<_>) = documents.into_iter().partition(holds_undefined);
    assert_eq!(undefined.len(), 3);
    all_moved(GuardLevel::L1, &others).await;
    all_listed(GuardLevel::L1, &undefined, "undefined").await;
}

fn holds_undefined(document: &RawDocumentBuf) -> bool {
    let id = document.get_i32("_id").expect("a number");
    let place = usize::try_from(id % 1_000).expect("small");
    every_value()[place].0 == 0x06
}

/// All but those that no server takes as `_id`: array, undefined, regular expression.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_may_be_the_id() {
    let values = every_value().into_iter().filter(|(kind, _)| ![0x04, 0x06, 0x0b].contains(kind));
    let documents: Vec<_> = values
        // Equal to the one that is kept.
        .filter(|(kind, payload)| (*kind, payload[..].first()) != (0x13, Some(&10)))
        .map(|(kind, payload)| {
            raw(&[(kind, b"_id", &payload), (0x09, b"at", &cold()), (kind, b"again", &payload)])
        })
        .collect();
    for level in LEVELS {
        all_moved(level, &documents).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_sixteen_megabytes_is_moved() {
    let empty = with(1, 0x02, b"text", &text(b"")).as_bytes().len();
    let largest = with(1, 0x02, b"text", &text(&vec![b'x'; BYTES_MAX - empty]));
    assert_eq!(largest.as_bytes().len(), BYTES_MAX);
    for level in [GuardLevel::L3, GuardLevel::L1] {
        all_moved(level, &[largest.clone(), with(2, 0x0a, b"text", &[])]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_shapes_are_moved() {
    let value = |id: i32| match id % 4 {
        0 => (0x10, id.to_le_bytes().to_vec()),
        1 => (0x02, text(id.to_string().as_bytes())),
        2 => (0x0a, Vec::new()),
        _ => (0x03, bytes_of(&[(0x08, format!("in{id}").as_bytes(), &[1])])),
    };
    let documents: Vec<_> = (0..20_000)
        .map(|id| {
            let (kind, payload) = value(id);
            with(id, kind, format!("field{id}").as_bytes(), &payload)
        })
        .collect();
    all_moved(GuardLevel::L3, &documents).await;
}

/// Servers compare such documents in different ways, so that only a transaction may delete them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_comes_twice_is_moved_where_bytes_are_compared() {
    let one = (0x10, 1_i32.to_le_bytes());
    let twice = bytes_of(&[(one.0, b"a", &one.1), (one.0, b"a", &one.1)]);
    let id = 2_i32.to_le_bytes();
    let at_top = [(0x10, b"_id".as_slice(), id.as_slice()), (0x09, b"at", &cold())];
    let at_top = [at_top[0], at_top[1], (0x02, b"t", &text(b"1")), (0x10, b"t", &one.1)];
    let documents = [with(1, 0x03, b"inner", &twice), raw(&at_top)];
    for level in [GuardLevel::L3, GuardLevel::L2] {
        all_moved(level, &documents).await;
    }
    all_listed(GuardLevel::L1, &documents, "twice").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_not_utf_8_stays_and_is_listed() {
    let broken = b"caf\xe9";
    let inner = bytes_of(&[(0x02, b"text", &text(broken))]);
    let documents = [
        with(1, 0x02, b"text", &text(broken)),
        with(2, 0x10, broken, &1_i32.to_le_bytes()),
        with(3, 0x03, b"inner", &inner),
        with(4, 0x04, b"inner", &bytes_of(&[(0x02, b"0", &text(broken))])),
        with(5, 0x0d, b"code", &text(broken)),
        with(6, 0x0e, b"symbol", &text(broken)),
    ];
    for level in LEVELS {
        all_listed(level, &documents, "UTF-8").await;
    }
}

/// What is sound goes although something beside it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_document_holds_up_no_other() {
    let broken = with(1, 0x02, b"text", &text(b"\xff"));
    let sound = with(2, 0x02, b"text", &text(b"sound"));
    for level in LEVELS {
        let world = run_on(level, &[broken.clone(), sound.clone()]).await;
        assert_eq!(world.archived().await, by_identity([sound.clone()]), "{level}");
        assert_eq!(world.cluster.documents(&flights()), std::slice::from_ref(&broken), "{level}");
    }
}

/// A date may be in the `_id` itself, and a filter may ask for what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_nothing_but_an_id_is_moved() {
    let seconds = u32::try_from(NOW_MS / 1_000 - 30 * 86_400).expect("before 2106");
    let mut id = [7; 12];
    id[..4].copy_from_slice(&seconds.to_be_bytes());
    let documents = [rawdoc! { "_id": bson::oid::ObjectId::from_bytes(id) }, rawdoc! { "_id": 1 }];
    let format = DateFormat::ObjectId;
    let rules = [
        (Criteria::Date { field: "_id".into(), format, expire_after_days: 10 }, &documents[..1]),
        (Criteria::Custom { query: r#"{"at": {"$exists": false}}"#.into() }, &documents[..]),
    ];
    for level in LEVELS {
        for (criteria, expected) in rules.clone() {
            let mut world = World::at(level).await;
            world.replace_archive(criteria).await;
            world.cluster.insert(&flights(), documents.clone()).expect("inserted");
            world.pass(FaultPlan::none()).await;
            assert_eq!(world.archived().await, by_identity(expected.iter().cloned()), "{level}");
            assert_eq!(world.live().len(), documents.len() - expected.len(), "{level}");
        }
    }
}

/// So many levels, the document itself being the first.
fn nested(id: i32, levels: usize, kind: u8) -> RawDocumentBuf {
    let name: &[u8] = if kind == 0x04 { b"0" } else { b"a" };
    let mut inner = bytes_of(&[(0x10, name, &1_i32.to_le_bytes())]);
    for _ in 2..levels {
        inner = bytes_of(&[(kind, name, &inner)]);
    }
    with(id, kind, b"inner", &inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_levels_are_moved() {
    let documents = [nested(1, 100, 0x03), nested(2, 100, 0x04)];
    for level in LEVELS {
        all_moved(level, &documents).await;
    }
    // A filter has no room for one more.
    all_listed(GuardLevel::L1, &[nested(3, 101, 0x03)], "nested deeper").await;
}
