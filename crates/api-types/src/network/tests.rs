//! Tests of entries of IP access lists.

use super::*;

fn read(text: &str) -> Result<Vec<EntryDraft>, Problem> {
    read_entries(Fields::parse_array(text.as_bytes())?)
}

fn code(text: &str) -> ErrorCode {
    read(text).expect_err("refused").code
}

#[test]
fn addresses_and_blocks_are_networks() {
    let read = read(
        r#"[{"ipAddress": "192.0.2.7", "comment": "", "groupId": "x", "links": []},
            {"cidrBlock": "198.51.100.9/24", "ipAddress": "", "comment": "office"},
            {"cidrBlock": "2001:db8::1/128", "ipAddress": "2001:db8::1",
             "deleteAfterDate": "2030-01-01T00:00:00Z"}]"#,
    )
    .expect("entries");
    let networks: Vec<String> = read.iter().map(|draft| draft.network.to_string()).collect();
    assert_eq!(networks, ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::1/128"]);
    assert_eq!((&read[0].comment, read[1].comment.as_deref()), (&None, Some("office")));
    assert_eq!(read[2].delete_after, Some(1_893_456_000_000));
}

#[test]
fn wrong_entries_are_refused_by_name() {
    assert_eq!(code("[]"), ErrorCode::ValidationError);
    assert_eq!(code("[{}]"), ErrorCode::MissingOneOfAttributes);
    assert_eq!(code(r#"[{"ipAddress": "192.0.2"}]"#), ErrorCode::InvalidAddress);
    assert_eq!(code(r#"[{"cidrBlock": "192.0.2.0/33"}]"#), ErrorCode::InvalidAddress);
    assert_eq!(code(r#"[{"awsSecurityGroup": "sg-1"}]"#), ErrorCode::FeatureUnsupported);
    for two in [
        r#"[{"ipAddress": "192.0.2.1", "cidrBlock": "10.0.0.0/8"}]"#,
        r#"[{"ipAddress": "192.0.2.1", "awsSecurityGroup": "sg-1"}]"#,
    ] {
        assert_eq!(code(two), ErrorCode::MultipleValuesForOneEntry);
    }
    let twice = r#"[{"ipAddress": "192.0.2.1"}, {"cidrBlock": "192.0.2.1/32"}]"#;
    assert_eq!(code(twice), ErrorCode::DuplicateAddressesInInput);
    let long = format!(r#"[{{"ipAddress": "192.0.2.1", "comment": "{}"}}]"#, "x".repeat(81));
    assert_eq!(read(&long).expect_err("long").fields[0].field, "[0].comment");
    let date = r#"[{"ipAddress": "192.0.2.1", "deleteAfterDate": "tomorrow"}]"#;
    assert_eq!(read(date).expect_err("date").fields[0].field, "[0].deleteAfterDate");
    let many = vec![r#"{"ipAddress": "192.0.2.1"}"#; 201].join(",");
    assert_eq!(code(&format!("[{many}]")), ErrorCode::ValidationError);
}

#[test]
fn a_security_group_is_never_found() {
    let project = ProjectId::new([1; 12]);
    let refused = read_entry_value("sg-12345678", project).expect_err("none");
    assert_eq!(refused.code, ErrorCode::NetworkEntryNotFound);
    let refused = read_entry_value("nonsense", project).expect_err("nonsense");
    assert_eq!(refused.code, ErrorCode::InvalidAddress);
}

#[test]
fn addresses_are_written_with_all_their_parts() {
    let entry = |cidr: &str| NetworkEntry {
        cidr: cidr.into(),
        comment: None,
        delete_after: None,
        changed_at: 0,
    };
    let (project, base) = (ProjectId::new([1; 12]), Base::new("http://a"));
    let one = entry_json(&entry("2001:db8::1/128"), project, &base);
    assert_eq!(one["cidrBlock"], "2001:db8:0:0:0:0:0:1/128");
    assert_eq!(one["ipAddress"], "2001:db8:0:0:0:0:0:1");
    let many = entry_json(&entry("2001:db8::/32"), project, &base);
    assert_eq!(
        (&many["cidrBlock"], many.get("ipAddress")),
        (&"2001:db8:0:0:0:0:0:0/32".into(), None)
    );
    let old = entry_json(&entry("192.0.2.0/24"), project, &base);
    assert_eq!(old["cidrBlock"], "192.0.2.0/24");
}
