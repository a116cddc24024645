//! What the quickstart says: on standard output, nothing with `--quiet`.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::summary::Summary;

/// The voice of the quickstart.
pub(super) struct Say {
    quiet: bool,
}

impl Say {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line. A closed pipe is no error: the main job goes on.
    pub(super) fn line(&self, text: Arguments<'_>) {
        if !self.quiet {
            writeln!(std::io::stdout(), "{text}").ok();
        }
    }

    /// A progress bar on standard error; hidden where nobody watches.
    pub(super) fn bar(&self, what: &'static str, total: u64) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix:16} [{bar:40}] {pos}/{len} {msg} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        ProgressBar::new(total).with_style(style).with_prefix(what)
    }
}

/// The summary and what to try next.
pub(super) fn print(say: &Say, summary: &Summary) {
    run(say, summary);
    access(say, summary);
    try_next(say, summary);
}

fn run(say: &Say, summary: &Summary) {
    let run = &summary.run;
    let ratio = run.bytes_read as f64 / run.bytes_stored.max(1) as f64;
    say.line(format_args!("\nThe archive run"));
    say.line(format_args!("  moved     {} documents, {}", run.documents, bytes(run.bytes_read)));
    say.line(format_args!(
        "  stored    {} in {} files ({ratio:.1} times smaller)",
        bytes(run.bytes_stored),
        run.files
    ));
    say.line(format_args!("  verified  {} read back from the table and compared", run.documents));
    if let Some(deleted) = run.deleted {
        say.line(format_args!("  deleted   {deleted} from the cluster, after that"));
    }
    say.line(format_args!("  took      {:.1} s", run.seconds));
    say.line(format_args!("  table     {}", summary.storage));
}

fn access(say: &Say, summary: &Summary) {
    let strings = &summary.connection_strings;
    say.line(format_args!("\nAccess (also in quickstart.json)"));
    say.line(format_args!("  base URL           {}", summary.base_url));
    say.line(format_args!("  organization       {}", summary.org_id));
    say.line(format_args!("  project            {}", summary.group_id));
    say.line(format_args!("  API key            {} / {}", summary.public_key, summary.private_key));
    say.line(format_args!("  service account    {}", summary.client_id));
    say.line(format_args!("  its secret         {}", summary.client_secret));
    say.line(format_args!("  cluster            {}", strings.cluster));
    say.line(format_args!("  archive            {}", strings.archive));
    say.line(format_args!("  cluster + archive  {}", strings.cluster_and_archive));
}

fn try_next(say: &Say, summary: &Summary) {
    let Summary { base_url, group_id, cluster_name, client_id, client_secret, .. } = summary;
    let Summary { public_key, private_key, .. } = summary;
    let archives =
        format!("{base_url}/api/atlas/v2/groups/{group_id}/clusters/{cluster_name}/onlineArchives");
    let accept = "Accept: application/vnd.atlas.2023-01-01+json";
    let both = &summary.connection_strings.cluster_and_archive;
    say.line(format_args!("\nTry next\n\n# curl, with the API key (HTTP Digest)"));
    say.line(format_args!(
        "curl --user {public_key}:{private_key} --digest -H '{accept}' {archives}"
    ));
    say.line(format_args!("\n# curl, with the service account (Bearer)"));
    say.line(format_args!(
        "TOKEN=$(curl -s --user {client_id}:{client_secret} -d grant_type=client_credentials \
         {base_url}/api/oauth/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    ));
    say.line(format_args!("curl -H \"Authorization: Bearer $TOKEN\" -H '{accept}' {archives}"));
    say.line(format_args!("\n# the Atlas CLI"));
    say.line(format_args!(
        "export MONGODB_ATLAS_OPS_MANAGER_URL={base_url}/ MONGODB_ATLAS_PUBLIC_API_KEY={public_key} \
         MONGODB_ATLAS_PRIVATE_API_KEY={private_key} MONGODB_ATLAS_SKIP_UPDATE_CHECK=yes"
    ));
    say.line(format_args!(
        "atlas clusters onlineArchives list --clusterName {cluster_name} --projectId {group_id}"
    ));
    say.line(format_args!("\n# mongosh\nmongosh '{both}' --eval \\"));
    say.line(format_args!(
        "  'db.getSiblingDB(\"sample_flights\").flights.countDocuments({{carrier: \"UA\"}})'"
    ));
    say.line(format_args!("\n# pymongo"));
    say.line(format_args!(
        "python3 -c 'from pymongo import MongoClient; \
         print(MongoClient(\"{both}\").sample_flights.flights.find_one({{\"dest\": \"SFO\"}}))'"
    ));
}

/// Bytes in the unit that fits.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        _ if count >= 1e9 => format!("{:.1} GB", count / 1e9),
        _ if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        _ => format!("{:.1} kB", count / 1e3),
    }
}
