//! Tests of the check of connection strings.

use proptest::prelude::*;

use super::*;

fn hosts(uri: &str) -> Vec<String> {
    check(uri).expect(uri).hosts.iter().map(UriHost::to_string).collect()
}

#[test]
fn ordinary_connection_strings_are_taken() {
    assert_eq!(hosts("mongodb://db"), ["db:27017"]);
    assert_eq!(
        hosts("mongodb://a:1,B.example.com,[::1]:3"),
        ["a:1", "b.example.com:27017", "[::1]:3"]
    );
    let uri = "mongodb+srv://u%40x:p%3A@cluster0.abc.example.net/app?retryWrites=true&w=majority";
    let checked = check(uri).expect("an Atlas string");
    assert!(checked.srv && checked.tls && checked.has_user);
    assert_eq!(checked.hosts[0].to_string(), "cluster0.abc.example.net");
    assert_eq!(checked.database.as_deref(), Some("app"));
    let direct = check(
        "mongodb://h:27018/?directConnection=true&tls=true&replicaSet=rs0&authMechanism=PLAIN",
    )
    .expect("a direct string");
    assert!(direct.direct_connection && direct.tls);
    assert_eq!(direct.replica_set.as_deref(), Some("rs0"));
}

#[test]
fn files_proxies_and_foreign_credentials_are_refused() {
    for option in [
        "tlsCAFile=/etc/passwd",
        "tlsCertificateKeyFile=/k.pem",
        "tlsCertificateKeyFilePassword=x",
        "TLSCAFILE=/x",
        "proxyHost=10.0.0.1",
        "proxyPort=1080",
        "authMechanismProperties=SERVICE_NAME:x",
        "gssapiServiceName=x",
        "nonsense=1",
    ] {
        let refused = check(&format!("mongodb://h/?{option}"));
        assert!(matches!(refused, Err(UriRefused::OptionNotAllowed(_))), "{option}: {refused:?}");
    }
    for mechanism in ["MONGODB-AWS", "MONGODB-OIDC", "GSSAPI", "MONGODB-X509", "MONGODB-CR"] {
        let refused = check(&format!("mongodb://h/?authMechanism={mechanism}"));
        assert_eq!(refused, Err(UriRefused::Mechanism(mechanism.into())));
    }
}

#[test]
fn malformed_strings_name_what_is_wrong() {
    let refused = |uri: &str| check(uri).expect_err(uri);
    assert_eq!(refused("http://h"), UriRefused::Scheme);
    assert_eq!(refused("mongodb://%2Ftmp%2Fmongodb-27017.sock"), UriRefused::UnixSocket);
    assert_eq!(refused("mongodb+srv://a,b"), UriRefused::SrvHosts);
    assert_eq!(refused("mongodb+srv://a:27017"), UriRefused::SrvHosts);
    assert_eq!(refused("mongodb://u:p@ss@h"), UriRefused::UserInfo);
    assert_eq!(refused("mongodb://u:p%zz@h"), UriRefused::UserInfo);
    assert_eq!(refused("mongodb://u:p%+1@h"), UriRefused::UserInfo);
    assert_eq!(refused("mongodb://@h"), UriRefused::UserInfo);
    assert_eq!(refused("mongodb://h/a.b"), UriRefused::Database);
    assert_eq!(refused("mongodb://h/?tls=true&tls=false"), UriRefused::Option("tls".into()));
    assert_eq!(refused("mongodb://h/?tls=true&ssl=false"), UriRefused::Option("tls".into()));
    assert_eq!(refused("mongodb://h/?w="), UriRefused::Option("w".into()));
    for host in ["", "a,,b", "a b", "h:0", "h:99999", "h:", "[::1", "[x]", "::1", ".", "h:1:2"] {
        let uri = format!("mongodb://{host}");
        assert!(matches!(check(&uri), Err(UriRefused::Host(_))), "{host}");
    }
    let long = format!("mongodb://{}", "a".repeat(URI_BYTES_MAX));
    assert_eq!(refused(&long), UriRefused::TooLong);
}

proptest! {
    /// Whatever is wrong, the refusal does not repeat the password, and nothing panics.
    #[test]
    fn refusals_keep_the_password(
        password in "[a-zA-Z0-9]{12,20}",
        tail in "[ -~]{0,30}",
    ) {
        let uri = format!("mongodb://user:{password}@{tail}");
        prop_assume!(!tail.contains(&password));
        match check(&uri) {
            Ok(checked) => {
                let shown = format!("{checked:?}");
                prop_assert!(!shown.contains(&password));
            }
            Err(refused) => prop_assert!(!refused.to_string().contains(&password)),
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        let _verdict = check(&text);
        let _verdict = check(&format!("mongodb://{text}"));
    }
}
