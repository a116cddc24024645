//! Expiry of tables: what is past by month and statistics, what is only so in part, what never is.

use portolan_model::{ExpiryRule, Hold};

use super::*;

const DAY_MS: i64 = 86_400_000;
/// 2024-01-01, the first order's date.
const FIRST_MS: i64 = 1_704_067_200_000;
/// When [`Fixture::append`] archives.
const ARCHIVED_MS: i64 = 1_700_000_000_000;

fn cut(days: i64) -> ExpiryCut {
    ExpiryCut { expired_until_ms: FIRST_MS + days * DAY_MS, archived_before_ms: i64::MAX }
}

/// Plans, writes what remains, verifies, commits; how many documents expired.
async fn expire(fixture: &Fixture, cut: ExpiryCut) -> u64 {
    let table = &fixture.table;
    let version = table.load().await.unwrap();
    let plan = table.expiry_plan(&version, &cut);
    let counted = table.count_expired(&version, &plan, &cut).await.unwrap();
    let left = table.leave_out_expired(&version, &plan, &cut).await.unwrap();
    assert_eq!(left.documents, counted);
    table.verify(&left.staged).await.unwrap();
    let (removes, adds) = (left.removes, left.staged.files);
    if !removes.is_empty() {
        let change = Change::Expire { id: "e".into(), epoch: 1, token: token(1), removes, adds };
        table.commit(&change).await.unwrap();
    }
    counted
}

async fn sixty_days() -> Vec<Fixture> {
    let fixtures = Fixture::everywhere(spec()).await;
    for fixture in &fixtures {
        fixture.table.commit(&fence(1)).await.unwrap();
        fixture.archive(1, orders(0, 60)).await;
    }
    fixtures
}

#[tokio::test]
async fn whole_months_go_and_the_month_of_the_cut_is_written_again() {
    for fixture in sixty_days().await {
        let version = fixture.table.load().await.unwrap();
        let plan = fixture.table.expiry_plan(&version, &cut(40));
        assert_eq!((plan.whole.len(), plan.mixed.len()), (1, 1), "January whole, February in part");
        assert_eq!(expire(&fixture, cut(40)).await, 41);
        let left = fixture.rows().await;
        assert_eq!(left.len(), 19);
        assert!(left.iter().all(|row| row.seq == 1), "what stays keeps its place");
        assert_eq!(expire(&fixture, cut(40)).await, 0, "and nothing more");
        let version = fixture.table.load().await.unwrap();
        assert!(fixture.table.expiry_plan(&version, &cut(40)).is_empty(), "bounds tell so");
    }
}

#[tokio::test]
async fn a_document_without_a_date_never_expires_by_date() {
    for fixture in Fixture::everywhere(spec()).await {
        fixture.table.commit(&fence(1)).await.unwrap();
        let far = bson::DateTime::from_millis(-70_000_000_000_000_000);
        let docs = vec![
            bson::rawdoc! { "_id": 1 },
            bson::rawdoc! { "_id": 2, "at": "2001-01-01" },
            bson::rawdoc! { "_id": 3, "at": [bson::DateTime::from_millis(0)] },
            bson::rawdoc! { "_id": 4, "at": far },
            bson::rawdoc! { "_id": 5, "at": bson::DateTime::from_millis(0) },
        ];
        fixture.archive(1, docs).await;
        assert_eq!(expire(&fixture, cut(10_000)).await, 1);
        assert_eq!(fixture.rows().await.len(), 4);
    }
}

#[tokio::test]
async fn without_a_date_the_time_of_archiving_counts() {
    let spec =
        TableSpec { month: None, partition_paths: vec![], partition_types: vec![], ..spec() };
    let fixture = Fixture::new(spec).await;
    fixture.table.commit(&fence(1)).await.unwrap();
    fixture.archive(1, orders(0, 5)).await;
    let early = ExpiryCut { expired_until_ms: ARCHIVED_MS - 1, ..cut(0) };
    assert_eq!(expire(&fixture, early).await, 0);
    let young = ExpiryCut { expired_until_ms: i64::MAX, archived_before_ms: ARCHIVED_MS };
    assert_eq!(expire(&fixture, young).await, 0, "archived too lately");
    let on_time = ExpiryCut { expired_until_ms: ARCHIVED_MS, ..cut(0) };
    assert_eq!(expire(&fixture, on_time).await, 5);
}

#[tokio::test]
async fn an_open_move_is_never_part_of_it() {
    for fixture in sixty_days().await {
        fixture.append(2, orders(100, 20)).await;
        assert_eq!(expire(&fixture, cut(1000)).await, 60);
        assert_eq!(fixture.rows().await.len(), 20);
        let version = fixture.table.load().await.unwrap();
        let open = version.files.clone();
        let change = Change::Expire {
            id: "x".into(),
            epoch: 1,
            token: token(1),
            removes: open,
            adds: vec![],
        };
        let refused = fixture.table.commit(&change).await;
        assert!(matches!(refused, Err(LakeError::OpenMove { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn rules_are_kept_with_the_data_and_a_hold_stops_what_was_planned() {
    for fixture in sixty_days().await {
        let table = &fixture.table;
        let version = table.load().await.unwrap();
        let removes = table.expiry_plan(&version, &cut(40)).whole;
        let hold = Hold { reason: "case 7".into(), placed_by: "x".into(), placed_at: 5 };
        let expiry = Some(ExpiryRule { expire_after_days: 30, set_at: 4 });
        let rules = ArchiveRules { version: 2, expiry, hold: Some(hold) };
        table.commit(&Change::Rules(rules.clone())).await.unwrap();
        assert_eq!(fixture.with_faults(FaultPlan::none()).await.spec().rules, rules);
        // The hold came in between: the commit that was planned before it is refused.
        let expire =
            Change::Expire { id: "e".into(), epoch: 1, token: token(1), removes, adds: vec![] };
        assert!(matches!(table.commit(&expire).await, Err(LakeError::Held(_))));
        // An older copy of the rules changes nothing, and the fence holds as before.
        table.commit(&Change::Rules(ArchiveRules { version: 1, ..rules.clone() })).await.unwrap();
        let version = table.load().await.unwrap();
        assert_eq!((version.spec.rules, version.fence_token), (rules, Some(token(1))));
        fixture.archive(2, orders(100, 3)).await;
        assert_eq!(fixture.rows().await.len(), 63);
    }
}

#[tokio::test]
async fn a_superseded_row_that_a_hold_kept_goes_when_it_is_over() {
    for fixture in sixty_days().await {
        let table = &fixture.table;
        let version = table.load().await.unwrap();
        let key = (1, identity(&orders(3, 1)[0]));
        let flag = std::collections::HashMap::from([(key, 9)]);
        let files: Vec<DataFile> = version.files.clone();
        let staged =
            table.rewrite_flagging(&version, &files, &Default::default(), &flag).await.unwrap();
        table.verify(&staged).await.unwrap();
        let change = Change::Rewrite {
            id: "f".into(),
            epoch: 1,
            token: token(1),
            removes: files,
            adds: staged.files,
            supersedes: false,
        };
        table.commit(&change).await.unwrap();
        let flagged = fixture.rows().await.into_iter().filter(|row| row.superseded_by == Some(9));
        assert_eq!(flagged.count(), 1);
        assert_eq!(expire(&fixture, cut(-1)).await, 1);
        assert_eq!(fixture.rows().await.len(), 59);
    }
}
