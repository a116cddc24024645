//! Matching of paths: escapes, verbs, literals before parameters.

use crate::path::{PathPattern, RequestPath, decode};

#[test]
fn escapes_are_decoded_or_refused() {
    assert_eq!(decode("a%2Fb%20c").as_deref(), Some("a/b c"));
    for bad in ["%", "%2", "%zz", "%+1", "%ff"] {
        assert_eq!(decode(bad), None, "{bad}");
    }
}

#[test]
fn verbs_belong_to_the_last_segment_and_ids_hold_no_colon() {
    let group = PathPattern::parse("/groups/{groupId}");
    let verb = PathPattern::parse("/groups/{groupId}:migrate");
    let name = PathPattern::parse("/groups/byName/{groupName}");
    let path = RequestPath::new("/groups/abc%3Amigrate");
    assert!(group.matches(&path).is_none());
    let (_, parameters) = verb.matches(&path).expect("a match");
    assert_eq!(parameters, [("groupId", "abc".to_owned())]);
    let (_, parameters) = name.matches(&RequestPath::new("/groups/byName/a:b")).expect("a match");
    assert_eq!(parameters, [("groupName", "a:b".to_owned())]);
    assert!(verb.matches(&RequestPath::new("/groups/:migrate")).is_none());
    assert!(group.matches(&RequestPath::new("/groups/")).is_none());
    assert!(group.matches(&RequestPath::new("/groups/queryLogs.gz")).is_none());
}
