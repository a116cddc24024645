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
    assert!(refusal("[sever]\n").contains("sever"));
    assert!(refusal("[endpoints]\nport_range = [9, 1]").contains("port_range"));
    assert!(refusal("[[storage]]\nname = \"a\"\nurl = \"s3://b\"").contains("not supported yet"));
    assert!(refusal("dir = 5").contains("dir"));
}
