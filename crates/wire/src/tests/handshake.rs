//! `hello`, authentication, and what may be sent before it.

use bson::{RawBsonRef, RawDocumentBuf, rawdoc};
use portolan_runtime::Runtime;

use super::client::Client;
use super::*;
use crate::scram::{ClientFirst, Exchange, Mechanism};

#[tokio::test]
async fn a_standalone_server_introduces_itself() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.run_on("admin", rawdoc! { "hello": 1, "helloOk": true }).await;
    assert!(reply.get_bool("isWritablePrimary").unwrap());
    assert!(reply.get_bool("helloOk").unwrap());
    assert_eq!(reply.get_i32("maxWireVersion").unwrap(), 21);
    assert_eq!(reply.get_i32("maxBsonObjectSize").unwrap(), 16_777_216);
    assert_eq!(reply.get_i32("maxMessageSizeBytes").unwrap(), 48_000_000);
    assert_eq!(reply.get_i32("logicalSessionTimeoutMinutes").unwrap(), 30);
    assert!(reply.get_timestamp("operationTime").is_ok());
    for absent in ["setName", "topologyVersion", "compression", "saslSupportedMechs", "msg"] {
        assert!(reply.get(absent).unwrap().is_none(), "{absent}");
    }
}

#[tokio::test]
async fn a_replica_set_names_its_one_host() {
    let topology = Topology::ReplicaSet { set_name: "rs0".into(), host: "db.example:27017".into() };
    let server = serve_as(topology, open_server(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let reply = client.run_on("admin", rawdoc! { "isMaster": 1 }).await;
    assert_eq!(reply.get_str("setName").unwrap(), "rs0");
    let newest = reply.get_document("lastWrite").unwrap().get_document("opTime").unwrap();
    assert_eq!(newest.get_timestamp("ts").unwrap(), reply.get_timestamp("operationTime").unwrap());
    let status = client.run_on("admin", rawdoc! { "serverStatus": 1 }).await;
    let set = status.get_document("repl").unwrap();
    assert_eq!(set.get_str("primary").unwrap(), "db.example:27017");
    assert_eq!(reply.get_str("me").unwrap(), "db.example:27017");
    let hosts = reply.get_array("hosts").unwrap();
    assert_eq!(hosts.get(0).unwrap(), Some(RawBsonRef::String("db.example:27017")));
    assert!(reply.get_bool("ismaster").unwrap());
}

#[tokio::test]
async fn compression_is_the_intersection_in_the_clients_order() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    for (offered, expected) in [
        (
            rawdoc! { "hello": 1, "compression": ["zstd", "lz4", "snappy"] },
            Some(vec!["zstd", "snappy"]),
        ),
        (rawdoc! { "hello": 1, "compression": ["none"] }, None),
        (rawdoc! { "hello": 1, "compression": [] }, None),
    ] {
        let mut client = Client::connect(server.address).await;
        let reply = client.run_on("admin", offered).await;
        let common = reply.get_array("compression").ok().map(|names| {
            names.into_iter().map(|name| name.unwrap().as_str().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(common, expected);
    }
}

/// Runs a SCRAM-SHA-256 conversation and gives the last reply.
async fn log_in(client: &mut Client, user: &str, password: &str, skip: bool) -> RawDocumentBuf {
    let name = user.replace('=', "=3D").replace(',', "=2C");
    let bare = format!("n={name},r=clientnonce");
    let first = client
        .run_on(
            "admin",
            rawdoc! {
                "saslStart": 1,
                "mechanism": "SCRAM-SHA-256",
                "payload": bytes(&format!("n,,{bare}")),
                "options": { "skipEmptyExchange": skip },
            },
        )
        .await;
    assert!(!first.get_bool("done").unwrap());
    let server_first = text(&first);
    let payload = client_final(password, &bare, &server_first);
    let body = rawdoc! { "saslContinue": 1, "conversationId": 1, "payload": bytes(&payload) };
    client.run_on("admin", body).await
}

fn bytes(text: &str) -> bson::Binary {
    let subtype = bson::spec::BinarySubtype::Generic;
    bson::Binary { subtype, bytes: text.as_bytes().to_vec() }
}

fn text(reply: &RawDocumentBuf) -> String {
    String::from_utf8(reply.get_binary("payload").unwrap().bytes.to_vec()).unwrap()
}

fn client_final(password: &str, bare: &str, server_first: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::{digest, hmac, pbkdf2};
    let field = |prefix| server_first.split(',').find_map(|part| part.strip_prefix(prefix));
    let salt = STANDARD.decode(field("s=").unwrap()).unwrap();
    let iterations: u32 = field("i=").unwrap().parse().unwrap();
    assert!(iterations >= 4096);
    let mut salted = [0; 32];
    let iterations = std::num::NonZeroU32::new(iterations).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let sign = |key: &[u8], message: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
    };
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let without_proof = format!("c=biws,r={}", field("r=").unwrap());
    let message = format!("{bare},{server_first},{without_proof}");
    let signature = sign(stored_key.as_ref(), message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

#[tokio::test]
async fn a_password_opens_the_server_with_and_without_the_empty_exchange() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    for skip in [true, false] {
        let mut client = Client::connect(server.address).await;
        let reply = log_in(&mut client, USER, PASSWORD, skip).await;
        assert!(text(&reply).starts_with("v="));
        assert_eq!(reply.get_bool("done").unwrap(), skip);
        if !skip {
            let refused = client.run(rawdoc! { "find": "items" }).await;
            assert_eq!(refused.get_i32("code").unwrap(), codes::UNAUTHORIZED);
            let body = rawdoc! { "saslContinue": 1, "conversationId": 1, "payload": bytes("") };
            assert!(client.run_on("admin", body).await.get_bool("done").unwrap());
        }
        let found = client.run(rawdoc! { "find": "items" }).await;
        assert_eq!(found.get_f64("ok").unwrap(), 1.0);
        let status = client.run(rawdoc! { "connectionStatus": 1, "showPrivileges": true }).await;
        let info = status.get_document("authInfo").unwrap();
        let users = info.get_array("authenticatedUsers").unwrap();
        assert_eq!(users.get_document(0).unwrap().get_str("user").unwrap(), USER);
        assert!(info.get_array("authenticatedUserPrivileges").is_ok());
        client.run(rawdoc! { "logout": 1 }).await;
        let refused = client.run(rawdoc! { "find": "items" }).await;
        assert_eq!(refused.get_i32("code").unwrap(), codes::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_look_the_same() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut refusals = Vec::new();
    for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD)] {
        let mut client = Client::connect(server.address).await;
        let reply = log_in(&mut client, user, password, true).await;
        assert_eq!(reply.get_i32("code").unwrap(), codes::AUTHENTICATION_FAILED);
        assert!(client.is_closed().await);
        refusals.push(reply);
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn the_salt_of_an_unknown_user_stays_the_same() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut salts = Vec::new();
    for user in ["nobody", "nobody", "someone"] {
        let mut client = Client::connect(server.address).await;
        let start = rawdoc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-1", "payload": bytes(&format!("n,,n={user},r=x")),
        };
        let reply = client.run_on("admin", start).await;
        salts.push(text(&reply).split(',').nth(1).unwrap().to_owned());
    }
    assert_eq!(salts[0], salts[1]);
    assert_ne!(salts[0], salts[2]);
}

#[tokio::test]
async fn the_first_step_may_come_with_hello() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    for user in ["bob", "nobody"] {
        let mut client = Client::connect(server.address).await;
        let bare = format!("n={user},r=abc");
        let step = rawdoc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256", "db": "admin",
            "payload": bytes(&format!("n,,{bare}")), "options": { "skipEmptyExchange": true },
        };
        let hello = rawdoc! {
            "hello": 1, "saslSupportedMechs": format!("admin.{user}"), "speculativeAuthenticate": step,
        };
        let reply = client.run_on("admin", hello).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
        assert!(reply.get_array("saslSupportedMechs").is_ok());
        let answer = reply.get_document("speculativeAuthenticate").unwrap().to_owned();
        let payload = client_final(PASSWORD, &bare, &text(&answer));
        let body = rawdoc! { "saslContinue": 1, "conversationId": 1, "payload": bytes(&payload) };
        let last = client.run_on("admin", body).await;
        assert_eq!(last.get_f64("ok").unwrap() == 1.0, user == "bob");
    }
}

#[tokio::test]
async fn unusable_sasl_steps_are_refused() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    let plain = rawdoc! { "saslStart": 1, "mechanism": "PLAIN", "payload": bytes("x") };
    let reply = client.run_on("admin", plain).await;
    assert_eq!(reply.get_i32("code").unwrap(), codes::MECHANISM_UNAVAILABLE);
    let stray = rawdoc! { "saslContinue": 1, "conversationId": 1, "payload": bytes("x") };
    let reply = client.run_on("admin", stray).await;
    assert_eq!(reply.get_i32("code").unwrap(), codes::PROTOCOL_ERROR);
    let broken = rawdoc! { "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": bytes("p=x") };
    let reply = client.run_on("admin", broken).await;
    assert_eq!(reply.get_i32("code").unwrap(), codes::AUTHENTICATION_FAILED);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn only_a_few_commands_need_no_user() {
    let server = serve(ServerOptions::default(), Runtime::system()).await;
    let mut client = Client::connect(server.address).await;
    for body in [rawdoc! { "ping": 1 }, rawdoc! { "buildInfo": 1 }, rawdoc! { "whatsmyuri": 1 }] {
        assert_eq!(client.run_on("admin", body).await.get_f64("ok").unwrap(), 1.0);
    }
    for body in [
        rawdoc! { "find": "items" },
        rawdoc! { "getParameter": 1, "featureCompatibilityVersion": 1 },
        rawdoc! { "getMore": 5_i64, "collection": "items" },
        rawdoc! { "serverStatus": 1 },
    ] {
        let reply = client.run_on("admin", body).await;
        assert_eq!(reply.get_i32("code").unwrap(), codes::UNAUTHORIZED);
        assert_eq!(reply.get_str("codeName").unwrap(), "Unauthorized");
    }
}

/// The example conversation of RFC 7677, section 3.
#[test]
fn scram_sha_256_follows_the_rfc() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    assert_eq!(first.user, "user");
    let secret = credentials_of("pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap());
    let exchange = Exchange::begin(Mechanism::Sha256, first, secret, true, &[1; 24]);
    let last = client_final("pencil", "n=user,r=rOprNGfwEbeRWgbNEkqO", exchange.server_first());
    assert!(exchange.finish(last.as_bytes()).unwrap().starts_with("v="));
    assert!(exchange.finish(last.replace("c=biws", "c=eSws").as_bytes()).is_err());
    assert!(exchange.finish(b"c=biws").is_err());
}

fn credentials_of(password: &str, salt: &[u8]) -> ScramSecret {
    use ring::{digest, hmac, pbkdf2};
    let iterations = std::num::NonZeroU32::new(4096).unwrap();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = hmac::sign(&key, b"Client Key");
    ScramSecret {
        salt: salt.to_vec(),
        iterations: 4096,
        stored_key: digest::digest(&digest::SHA256, client_key.as_ref()).as_ref().to_vec(),
        server_key: hmac::sign(&key, b"Server Key").as_ref().to_vec(),
    }
}

#[test]
fn roles_permit_what_their_names_say() {
    let user = |roles: &[UserRole]| User {
        name: "u".into(),
        database: "admin".into(),
        roles: roles.to_vec(),
    };
    let reader = user(&[UserRole::new("read", "shop")]);
    assert!(reader.may_read("shop") && !reader.may_write("shop") && !reader.may_read("bank"));
    let any = user(&[UserRole::new("readWriteAnyDatabase", "admin")]);
    assert!(any.may_write("bank") && !any.may_read("local"));
    let admin = user(&[UserRole::new("atlasAdmin", "admin")]);
    assert!(admin.may_admin("shop") && admin.may_read("config"));
    let mut narrow = UserRole::new("read", "shop");
    narrow.collection = Some("items".into());
    let narrow = user(&[narrow]);
    assert!(!narrow.may_read("shop") && narrow.may_read_collection("shop", "items"));
    assert!(!narrow.may_read_collection("shop", "orders") && narrow.may_see("shop"));
    assert!(!user(&[UserRole::new("clusterMonitor", "admin")]).may_see("shop"));
}
