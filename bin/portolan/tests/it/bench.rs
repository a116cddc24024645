//! Measures the control plane at size: 100,000 projects and 10,000 archives in one SQLite instance. Run by
//! `cargo xtask bench-control`; it prints a table and asserts nothing about time.

mod client;
mod load;

use serde_json::json;

use crate::served::{Setting, text};
use client::{Digest, Login, Sample, Sampler, percentile};

const SECONDS: u64 = 10;
const CONNECTIONS: usize = 8;
/// A look for work each second is what an idle instance does.
const IDLE_MS: u64 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo xtask bench-control"]
async fn the_control_plane_at_size() {
    let dir = tempfile::tempdir().expect("a folder");
    let founded_in = Setting::write(&dir.path().join("small"), "127.0.0.1", (29_670, 29_674), "");
    let founded = founded_in.bootstrap();
    let here = Setting::write(&dir.path().join("large"), "127.0.0.1", (29_675, 29_679), "");
    let rows = load::restore_large(&founded_in, &here, &text(&founded, "orgId"));
    let process = here.serve(&[("PORTOLAN__LOG__LEVEL", "error")]).await;
    let api = here.api(&founded).await;
    let (org, groups) = (text(&founded, "orgId"), load::own_projects());
    let bearer = Login::Bearer(api.token.clone());
    let digest =
        Login::Digest(Digest::new(&text(&founded, "publicKey"), &text(&founded, "privateKey")));
    let sampler = Sampler::new(&here.base_url, process.id());
    println!("{:36}  {rows}", "rows");
    reads(&sampler, &bearer, &digest, &groups).await;
    writes(&sampler, &bearer, &groups).await;
    pages(&sampler, &bearer, &org).await;
    idle(&sampler).await;
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

async fn idle(sampler: &Sampler) {
    let runtime = portolan_runtime::Runtime::system();
    runtime.sleep_ms(3_000).await;
    let before = sampler.cpu_s();
    runtime.sleep_ms(IDLE_MS).await;
    let share = (sampler.cpu_s() - before) * 1e3 / IDLE_MS as f64;
    println!("{:36}  {:.2} % of a core", "idle CPU, 10,000 archives", share * 100.0);
}

fn print(name: &str, sample: &Sample) {
    println!(
        "{name:36}  {:8.0} calls/s  p50 {:6.2} ms  p99 {:6.2} ms",
        sample.rate(),
        percentile(&sample.ms, 50),
        percentile(&sample.ms, 99)
    );
}
