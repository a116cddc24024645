//! Tests of staging: order, batches, files.

use bson::rawdoc;
use portolan_model::DateFormat;

use super::*;
use crate::MonthSpec;

fn spec() -> TableSpec {
    TableSpec {
        partition_paths: vec!["c".into()],
        month: Some(MonthSpec { path: "at".into(), format: DateFormat::EpochSeconds }),
        ..TableSpec::default()
    }
}

fn docs(count: i32) -> Vec<RawDocumentBuf> {
    (0..count)
        .map(|n| rawdoc! {"_id": n, "c": (n * 7) % 5, "at": i64::from(n % 3) * 2_678_400})
        .collect()
}

#[test]
fn rows_are_sorted_by_month_then_keys_and_batches_are_contiguous() {
    let request = StageRequest { batch_documents_max: 4, ..StageRequest::new(3, 1, 0) };
    let Plan { groups, staged } = plan(&request, docs(30), &spec()).unwrap();
    let months: Vec<_> = groups.iter().map(|g| g[0].derived.month.clone().unwrap()).collect();
    assert_eq!(months, ["1970-01", "1970-02", "1970-03"]);
    for group in &groups {
        assert!(group.is_sorted_by(|a, b| sort_key(a, 2).le(sort_key(b, 2))));
        assert!(group.iter().all(|row| row.derived.month == group[0].derived.month));
    }
    let batches: Vec<i32> = groups.iter().flatten().map(|row| row.place.batch).collect();
    assert_eq!(batches, (0..30).map(|n| n / 4).collect::<Vec<_>>());
    assert_eq!((staged.batches, staged.documents, staged.declared.len()), (8, 30, 30));
}

#[test]
fn a_batch_ends_before_it_grows_too_large() {
    let size = docs(1)[0].as_bytes().len();
    let request = StageRequest { batch_bytes_max: 2 * size + 1, ..StageRequest::new(1, 1, 0) };
    let Plan { staged, .. } = plan(&request, docs(7), &TableSpec::default()).unwrap();
    assert_eq!(staged.batches, 4);
    let request = StageRequest { batch_bytes_max: 1, ..StageRequest::new(1, 1, 0) };
    let Plan { staged, .. } = plan(&request, docs(7), &TableSpec::default()).unwrap();
    assert_eq!(staged.batches, 7);
}

#[test]
fn two_documents_of_one_identity_are_refused() {
    let docs = vec![rawdoc! {"_id": 1, "v": 1}, rawdoc! {"_id": 1.0, "v": 2}];
    let request = StageRequest::new(1, 1, 0);
    assert!(matches!(plan(&request, docs, &TableSpec::default()), Err(LakeError::Invalid(_))));
}
