//! Measures the control plane at size: 100,000 projects and 10,000 archives in one SQLite instance. Run by
//! `cargo xtask bench-control`; it prints a table and asserts nothing about time.

mod client;
mod load;

use serde_json::json;

use crate::served::{Setting, text};
use client::{Digest, Login, Sample, Sampler, percentile};
use load::Size;

const SECONDS: u64 = 10;
const CONNECTIONS: usize = 16;
/// A look for work each second is what an idle instance does.
const IDLE_MS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo xtask bench-control"]
async fn the_control_plane_at_size() {
    let dir = tempfile::tempdir().expect("a folder");
    let founded_in = Setting::write(&dir.path().join("small"), "127.0.0.1", (29_670, 29_674), "");
    let founded = founded_in.bootstrap();
    let limits = "[limits]\nrate_multiplier = 1e6\n";
    let here = Setting::write(&dir.path().join("large"), "127.0.0.1", (29_675, 29_679), limits);
    let size = Size { orgs: 400, archives: 10_000 };
    let rows = load::restore_large(&founded_in, &here, &text(&founded, "orgId"), size);
    let process = here.serve(&[("PORTOLAN__LOG__LEVEL", "error")]).await;
    let api = here.api(&founded).await;
    let (org, groups) = (text(&founded, "orgId"), load::own_projects());
    let bearer = Login::Bearer(api.token.clone());
    let digest =
        Login::Digest(Digest::new(&text(&founded, "publicKey"), &text(&founded, "privateKey")));
    let sampler = Sampler::new(&here.base_url, process.id());
    println!("{:36}  {rows}", "rows");
    reads(&sampler, &bearer, &digest, &groups).await;
    fresh_reads(&sampler, &bearer).await;
    writes(&sampler, &bearer, &groups).await;
    mixed(&sampler, &bearer, &groups).await;
    pages(&sampler, &bearer, &org).await;
    idle(&sampler, &here.base_url).await;
    process.stop().await;
}

/// The made-up rows fit the schema, and the instance serves them.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_state_is_served() {
    let dir = tempfile::tempdir().expect("a folder");
    let founded_in = Setting::write(&dir.path().join("small"), "127.0.0.1", (29_680, 29_684), "");
    let founded = founded_in.bootstrap();
    let here = Setting::write(&dir.path().join("large"), "127.0.0.1", (29_685, 29_689), "");
    let size = Size { orgs: 2, archives: 30 };
    let rows = load::restore_large(&founded_in, &here, &text(&founded, "orgId"), size);
    assert!(rows > 500 + 3 * 30, "{rows}");
    let process = here.serve(&[]).await;
    let api = here.api(&founded).await;
    let listed = api.get("atlas/v2/groups?itemsPerPage=1").await;
    assert_eq!(listed["totalCount"], 250);
    process.stop().await;
}

async fn reads(sampler: &Sampler, bearer: &Login, digest: &Login, groups: &[String]) {
    let get =
        |n: usize| ("GET", format!("/api/atlas/v2/groups/{}", groups[n % groups.len()]), None);
    for (name, login) in [("GET a project, Bearer", bearer), ("GET a project, Digest pair", digest)]
    {
        let full = sampler.flat_out(CONNECTIONS, SECONDS, login, get).await;
        println!("{name:36}  {:8.0} calls/s for each core of the server", full.per_core());
        print(name, &full);
    }
    for rate in [200, 500, 2_000] {
        let paced = sampler.paced(CONNECTIONS, SECONDS, rate, bearer, get).await;
        print(&format!("GET a project at {rate}/s"), &paced);
    }
}

/// What nobody asked for before, so that nothing of it is remembered: a name that no project has.
async fn fresh_reads(sampler: &Sampler, bearer: &Login) {
    let fresh = |n: usize| ("GET", format!("/api/atlas/v2/groups/byName/none%20{n}"), None);
    let full = sampler.expecting(404).flat_out(CONNECTIONS, SECONDS, bearer, fresh).await;
    let name = "GET what was never asked for, Bearer";
    println!("{name:36}  {:8.0} calls/s for each core of the server", full.per_core());
    print(name, &full);
}

/// Reads of what others change meanwhile.
async fn mixed(sampler: &Sampler, bearer: &Login, groups: &[String]) {
    let get =
        |n: usize| ("GET", format!("/api/atlas/v2/groups/{}", groups[n % groups.len()]), None);
    let patch = |n: usize| {
        let path = format!("/api/atlas/v2/groups/{}", groups[n % groups.len()]);
        ("PATCH", path, Some(json!({ "name": format!("mixed {n}") })))
    };
    let (reads, writes) = tokio::join!(
        sampler.paced(CONNECTIONS, SECONDS, 1_000, bearer, get),
        sampler.paced(CONNECTIONS, SECONDS, 50, bearer, patch)
    );
    print("GET at 1,000/s beside writes", &reads);
    print("write at 50/s beside reads", &writes);
}

async fn writes(sampler: &Sampler, bearer: &Login, groups: &[String]) {
    let patch = |n: usize| {
        let path = format!("/api/atlas/v2/groups/{}", groups[n % groups.len()]);
        ("PATCH", path, Some(json!({ "name": format!("renamed {n}") })))
    };
    for rate in [50, 200] {
        let paced = sampler.paced(CONNECTIONS, SECONDS, rate, bearer, patch).await;
        print(&format!("durable write at {rate}/s"), &paced);
    }
}

async fn pages(sampler: &Sampler, bearer: &Login, org: &str) {
    for (name, path) in [
        ("page of 100 projects", "/api/atlas/v2/groups?itemsPerPage=100&pageNum=2".to_owned()),
        ("page of 100 events", format!("/api/atlas/v2/orgs/{org}/events?itemsPerPage=100")),
    ] {
        let page = |_| ("GET", path.clone(), None);
        print(name, &sampler.paced(2, SECONDS, 20, bearer, page).await);
    }
}

async fn idle(sampler: &Sampler, base_url: &str) {
    let runtime = portolan_runtime::Runtime::system();
    runtime.sleep_ms(3_000).await;
    let before = sampler.cpu_s();
    runtime.sleep_ms(IDLE_MS).await;
    let share = (sampler.cpu_s() - before) * 1e3 / IDLE_MS as f64;
    println!("{:36}  {:.2} % of a core", "idle CPU, 10,000 archives", share * 100.0);
    let metrics = reqwest::get(format!("{base_url}/metrics")).await.expect("metrics");
    let metrics = metrics.text().await.expect("text");
    for line in metrics.lines().filter(|line| line.starts_with("portolan_archiver_look_seconds")) {
        println!("{line}");
    }
}

fn print(name: &str, sample: &Sample) {
    println!(
        "{name:36}  {:8.0} calls/s  p50 {:6.2} ms  p99 {:6.2} ms",
        sample.rate(),
        percentile(&sample.ms, 50),
        percentile(&sample.ms, 99)
    );
}
