//! Matching of paths: escapes, verbs, literals before parameters.

use crate::path::{PathPattern, RequestPath, decode};

#[test]
fn escapes_are_decoded_or_refused() {
    assert_eq!(decode("a%2Fb%20c").as_deref(), Some("a/b c"));
    for bad in ["%", "%2", "%zz", "%+1", "%ff", "a%00"] {
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
    assert_eq!((parameters[0].name, parameters[0].value.as_str()), ("groupId", "abc"));
    let (_, parameters) = name.matches(&RequestPath::new("/groups/byName/a:b")).expect("a match");
    assert_eq!((parameters[0].name, parameters[0].value.as_str()), ("groupName", "a:b"));
    assert!(verb.matches(&RequestPath::new("/groups/:migrate")).is_none());
    assert!(group.matches(&RequestPath::new("/groups/")).is_none());
    assert!(group.matches(&RequestPath::new("/groups/queryLogs.gz")).is_none());
    let endpoint = PathPattern::parse("/endpointIds/{endpointId}");
    for id in ["vpce-x.y", "%2Fsubscriptions%2FMicrosoft.Network%2FprivateEndpoints%2Fa"] {
        let (_, parameters) =
            endpoint.matches(&RequestPath::new(&format!("/endpointIds/{id}"))).expect("a match");
        assert_eq!(parameters[0].value, id.replace("%2F", "/"));
    }
}
