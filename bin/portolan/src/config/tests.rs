//! Tests of the configuration.

use super::*;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("portolan.toml");
    std::fs::write(&file, text).expect("written");
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(&file), environment)
}

fn refusal(text: &str) -> String {
    format!("{:#}", load(text, &[]).expect_err("refused"))
}

#[test]
fn an_empty_file_is_the_default() {
    let config = load("", &[]).expect("a configuration");
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.state_url().expect("a URL"), "sqlite:./portolan-data/control.db");
}

#[test]
fn the_environment_wins_over_the_file() {
    let environment = [
        ("PORTOLAN__SERVER__LISTEN", "127.0.0.1:9"),
        ("PORTOLAN__ENDPOINTS__PORT_RANGE", "[1, 2]"),
    ];
    let config = load("[server]\nlisten = \"127.0.0.1:1\"", &environment).expect("a configuration");
    assert_eq!(config.server.listen.port(), 9);
    assert_eq!(config.endpoints.port_range, (1, 2));
}

#[test]
fn refusals_name_the_key_and_the_remedy() {
    assert!(refusal("[server]\nlisten = \"0.0.0.0:80\"").contains("set server.tls"));
    let worker = refusal("[worker]\nlisten = \"0.0.0.0:80\"");
    assert!(worker.contains("worker.listen") && worker.contains("set server.tls"), "{worker}");
    assert!(refusal("[sever]\n").contains("sever"));
    assert!(refusal("[endpoints]\nport_range = [9, 1]").contains("port_range"));
    assert!(refusal("dir = 5").contains("dir"));
}

#[test]
fn storage_locations_are_checked_key_by_key() {
    let storage = |more: &str| refusal(&format!("[[storage]]\nname = \"a\"\n{more}"));
    assert!(storage("url = \"ftp://b\"").contains("storage a: url"));
    assert!(storage("url = \"file://relative\"").contains("file:///PATH"));
    assert!(storage("url = \"file:///x\"\nallow_http = true").contains("a folder has no"));
    assert!(storage("url = \"s3://b\"\nregions = [\"MARS/1\"]").contains("regions: MARS/1"));
    assert!(storage("url = \"s3://b\"\n[storage.gcs]").contains("gcs: it does not belong"));
    assert!(storage("url = \"s3://b\"\ntimeout_ms = 5").contains("timeout_ms"));
    let s3 = |more: &str| storage(&format!("url = \"s3://b\"\n[storage.s3]\n{more}"));
    assert!(s3("access_key_id = \"x\"").contains("belong together"));
    assert!(s3("secret_access_key = \"x\"").contains("secret_access_key"));
    assert!(s3("encryption = \"rot13\"").contains("none of AES256"));
    assert!(s3("kms_key_id = \"k\"").contains("needs s3.encryption"));
    let two =
        "[[storage]]\nname = \"a\"\nurl = \"s3://b\"\n[[storage]]\nname = \"c\"\nurl = \"s3://d\"";
    assert!(refusal(two).contains("two locations serve all other regions"));
}

#[test]
fn a_secret_comes_from_one_place_and_is_not_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("secret");
    let text = |more: &str| {
        format!(
            "[[storage]]\nname = \"a\"\nurl = \"s3://b\"\n[storage.s3]\naccess_key_id = \"x\"\n{more}"
        )
    };
    let from_file = format!("secret_access_key_file = {:?}", file.display());
    let remote = |more: &str| load(&text(more), &[]).expect("checked").storage[0].remote();
    let missing = format!("{:#}", remote(&from_file).expect_err("no file"));
    assert!(missing.contains("s3.secret_access_key_file"), "{missing}");
    std::fs::write(&file, " \n").expect("written");
    assert!(format!("{:#}", remote(&from_file).expect_err("empty")).contains("empty"));
    std::fs::write(&file, "canary-of-a-secret\n").expect("written");
    let opened = remote(&from_file).expect("a remote");
    assert!(!format!("{opened:?}").contains("canary"), "the secret shows");
    let both = format!("{from_file}\nsecret_access_key_env = \"PATH\"");
    assert!(format!("{:#}", remote(&both).expect_err("both")).contains("exclude each other"));
    let gone = "secret_access_key_env = \"PORTOLAN_TEST_NOT_SET\"";
    assert!(format!("{:#}", remote(gone).expect_err("not set")).contains("PORTOLAN_TEST_NOT_SET"));
}

#[test]
fn the_window_of_clusters_is_read_and_refused_by_its_keys() {
    let text = "[archiver]\nwindow_days = [\"SAT\"]\nwindow_start = \"22:00\"\nwindow_end = \"02:00\"\n\
                [archiver.clusters.650000000000000000000001]\nwindow_days = [\"mon\", \"SUN\"]";
    let rules = load(text, &[]).expect("a configuration").archiver.load().expect("rules");
    assert_eq!(rules.usual.hours.to_string(), "SAT 22:00 to 02:00 UTC");
    let own = rules.of_cluster.values().next().expect("one cluster");
    assert_eq!(own.hours.to_string(), "MON, SUN 22:00 to 02:00 UTC");
    assert!(refusal("[archiver]\nwindow_days = [\"Saturday\"]").contains("window_days"));
    assert!(refusal("[archiver]\nwindow_end = \"24:00\"").contains("window_end"));
}

#[test]
fn prices_are_told_only_when_they_are_set() {
    let prices = load("", &[]).expect("a configuration").archiver.prices();
    assert_eq!((prices.cluster_gb_month, prices.archive_gb_month), (None, None));
    let text = "[archiver]\narchive_price_gb_month = 0.023";
    let prices = load(text, &[]).expect("a configuration").archiver.prices();
    assert_eq!((prices.cluster_gb_month, prices.archive_gb_month), (None, Some(0.023)));
    assert!(refusal("[archiver]\ncluster_price_gb_month = -1.0").contains("price_gb_month"));
}
