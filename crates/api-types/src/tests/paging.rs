//! Pages and their links.

use serde_json::{Value, json};

use crate::paging::{Page, Paging};

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn defaults_are_100_items_of_page_1_counted() {
    assert_eq!(Paging::parse(&[]), Ok(Paging::default()));
    for (name, value) in
        [("itemsPerPage", "0"), ("itemsPerPage", "501"), ("pageNum", "0"), ("includeCount", "yes")]
    {
        let problem = Paging::parse(&query(&[(name, value)])).expect_err(value);
        assert_eq!(problem.code.as_str(), "INVALID_QUERY_PARAMETER");
        assert!(problem.detail.contains(name));
    }
}

#[test]
fn links_repeat_filters_first_and_lead_both_ways() {
    let paging = Paging { page_num: 2, items_per_page: 2, include_count: true };
    let page = Page { items: vec![json!(3), json!(4)], total: 5 };
    let body = paging.body("http://h/api/atlas/v2/orgs", &query(&[("name", "a b")]), page);
    assert_eq!(body["totalCount"], 5);
    let href = |at: usize| body["links"][at]["href"].as_str().expect("an address").to_owned();
    assert_eq!(
        href(0),
        "http://h/api/atlas/v2/orgs?name=a%20b&includeCount=true&pageNum=2&itemsPerPage=2"
    );
    assert_eq!(body["links"][1]["rel"], "previous");
    assert_eq!(body["links"][2]["rel"], "next");
    assert!(href(2).ends_with("pageNum=3&itemsPerPage=2"));
}

#[test]
fn a_page_past_the_end_is_empty_and_counts_all() {
    let paging = Paging { page_num: 9, items_per_page: 2, include_count: true };
    let page = Page::cut((0..5).map(Value::from).collect(), paging);
    assert_eq!((page.items.len(), page.total), (0, 5));
    let uncounted = Paging { include_count: false, ..paging };
    assert!(uncounted.body("h", &[], page).get("totalCount").is_none());
}
