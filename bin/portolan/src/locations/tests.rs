//! Which location serves a region and holds a table.

use super::*;

fn config(storage: &str) -> Config {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("portolan.toml");
    std::fs::write(&file, storage).expect("written");
    Config::load(Some(&file), std::iter::empty()).expect("a configuration")
}

fn region(provider: &str, region: &str) -> DataProcessRegion {
    DataProcessRegion { provider: provider.parse().expect("a provider"), region: region.into() }
}

fn bucket(name: &str, url: &str, regions: &str) -> String {
    format!(
        "[[storage]]\nname = \"{name}\"\nurl = \"{url}\"\nregions = {regions}\n\
         [storage.s3]\naccess_key_id = \"id\"\nsecret_access_key_env = \"PATH\"\n"
    )
}

#[test]
fn a_region_has_its_location_and_another_none() {
    let text = bucket("eu", "s3://eu/x", "[\"AWS/EU_WEST_1\"]")
        + &bucket("us", "s3://us", "[\"AWS/US_EAST_1\", \"AZURE/US_EAST_2\"]");
    let locations = Locations::open(&config(&text)).expect("locations");
    let id = ArchiveId::new([7; 12]);
    let uri = locations.table_uri(id, &region("AWS", "EU_WEST_1")).expect("a location");
    assert_eq!(uri, format!("s3://eu/x/{id}"));
    assert!(locations.of(&uri).expect("held").holds(&uri));
    let refused = locations.table_uri(id, &region("GCP", "WEST_EUROPE")).expect_err("none");
    let refused = refused.to_string();
    assert!(refused.contains("GCP/WEST_EUROPE") && refused.contains("regions"), "{refused}");
    assert!(locations.of("s3://eu/xy/1").is_err(), "a neighbour of the prefix");
}

#[test]
fn locations_in_one_another_are_refused() {
    let text = bucket("a", "s3://b/x", "[]") + &bucket("c", "s3://b/x/y", "[\"AWS/EU_WEST_1\"]");
    let refused = Locations::open(&config(&text)).err().expect("refused").to_string();
    assert!(refused.contains("lie in one another"), "{refused}");
}

#[tokio::test]
async fn a_probe_names_the_location_and_the_remedy() {
    let text = "[[storage]]\nname = \"dead\"\nurl = \"s3://b\"\n\
                endpoint = \"http://127.0.0.1:9\"\nallow_http = true\n\
                [storage.s3]\naccess_key_id = \"id\"\nsecret_access_key_env = \"PATH\"\n";
    let locations = Locations::open(&config(text)).expect("locations");
    let error = locations.probe(&Runtime::system()).await.expect_err("unreachable");
    let error = format!("{error:#}");
    assert!(error.contains("storage dead") && error.contains("check endpoint"), "{error}");
    let path = std::env::var("PATH").expect("a PATH");
    assert!(!error.contains(&path), "the secret shows");
}
