//! Tests of the bounded sort.

use bson::rawdoc;

use super::*;

fn sorter(keep: Option<u64>, bytes_max: usize) -> Sorter {
    Sorter::new(Sort::parse(&rawdoc! { "a": -1 }).unwrap(), keep, bytes_max)
}

fn ids(documents: &[RawDocumentBuf]) -> Vec<i32> {
    documents.iter().map(|document| document.get_i32("_id").unwrap()).collect()
}

#[test]
fn documents_that_sort_alike_are_ordered_by_id() {
    let mut sorter = sorter(None, 1 << 20);
    for (id, a) in [(3, 1), (1, 1), (2, 5), (4, 0)] {
        sorter.push(rawdoc! { "_id": id, "a": a }).unwrap();
    }
    assert_eq!(ids(&sorter.finish()), [2, 1, 3, 4]);
}

#[test]
fn only_what_is_needed_is_held() {
    let mut sorter = sorter(Some(3), 200_000);
    for id in 0..20_000 {
        sorter.push(rawdoc! { "_id": id, "a": (id * 7919) % 20_000 }).unwrap();
    }
    let kept = sorter.finish();
    assert_eq!(
        kept.iter().map(|d| d.get_i32("a").unwrap()).collect::<Vec<_>>(),
        [19_999, 19_998, 19_997]
    );
}

#[test]
fn memory_is_bounded() {
    let mut sorter = sorter(None, 1_000);
    let refused = (0..100).find_map(|id| sorter.push(rawdoc! { "_id": id, "a": 1 }).err());
    assert!(matches!(refused, Some(FederationError::TooLarge(_))));
}
