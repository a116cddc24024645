//! The command line. `--help` teaches: every command says what it does, what it needs and what next.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A self-hosted control plane for MongoDB-compatible clusters, with online archives.
///
/// Start with `portolan quickstart`: it makes a small instance on this machine, archives real flights
/// out of a sandbox cluster, and prints what to try next.
#[derive(Debug, Parser)]
#[command(name = "portolan", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the main job on this machine: a cluster, real data, an archive, both read endpoints.
    Quickstart(Quickstart),
    /// Runs an instance from a configuration file until Ctrl-C or SIGTERM.
    Serve(Serve),
    /// Runs archive jobs without any listener, beside replicas of `serve` on one PostgreSQL.
    Worker(Worker),
    /// Makes the first organization of a new instance; prints its key pair and service account, once.
    Bootstrap(Bootstrap),
    /// Checks a configuration file and all that a start needs (folders, schema, master key, ports);
    /// starts and changes nothing.
    CheckConfig(CheckConfig),
    /// Prints the OpenAPI 3.1 document of what this build serves.
    Openapi,
    /// Writes a copy of the control state to a file, while the instance runs.
    Backup(Backup),
    /// Restores a copy of the control state into an empty one.
    Restore(Restore),
    /// Changes the master key, and seals every stored secret anew.
    RotateKey(RotateKey),
    /// Prints the audit trail, newest first: one JSON object a line.
    Audit(AuditTrail),
    /// Works with the storage locations of a configuration.
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Works with clusters of a running instance.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Works with online archives of a running instance.
    #[command(subcommand)]
    Archive(ArchiveCommand),
}

#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// Folder of the instance. Run again on the same folder, it starts from what is there.
    #[arg(long, default_value = "./portolan-data")]
    pub(crate) dir: PathBuf,
    /// Address and port of the HTTP API; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Exit 0 when the main job is done, instead of serving.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print only warnings and errors.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Loads these flights instead of the sample in the program: BSON documents, zstd-compressed.
    #[arg(long, value_name = "FILE")]
    pub(crate) sample: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file (TOML). PORTOLAN__SECTION__KEY overrides single keys.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// Serve plain HTTP beyond loopback: only behind a proxy that ends TLS.
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The configuration file, with state.url on PostgreSQL.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The configuration file of the instance.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// The file to write; it must not exist. Secrets stay sealed in it: keep the master key elsewhere.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AuditTrail {
    /// The configuration file of the instance, which may be running.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// Only attempts whose outcome is not known.
    #[arg(long)]
    pub(crate) open: bool,
    /// At most so many.
    #[arg(long, default_value_t = 1_000, value_name = "ROWS")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The configuration file of the instance; it must not be running, and its control state must be
    /// empty. The master key of the backed-up instance must be in place.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// The backup, from either database.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    /// The configuration file of the instance, which may be running.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// Only adds a new key to the key file, so that it can be copied to every replica first.
    #[arg(long, group = "how")]
    pub(crate) stage: bool,
    /// Makes the staged key the one that seals, instead of a new one.
    #[arg(long, group = "how")]
    pub(crate) promote: bool,
    /// Goes on where a rotation was cut off, with the keys as they are.
    #[arg(long, group = "how")]
    pub(crate) resume: bool,
    /// Removes the older keys; refused while a secret is sealed under one or the instance runs.
    #[arg(long, group = "how")]
    pub(crate) drop_old: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bootstrap {
    /// The configuration file of the instance; the instance must not be running.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// Name of the organization.
    #[arg(long)]
    pub(crate) org: String,
    /// E-mail address of its first owner.
    #[arg(long)]
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The configuration file.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Asks storage locations whether they are fit for archives: writes, reads, lists and deletes a
    /// few small objects, and demands that none is created twice.
    Test(StorageTest),
}

#[derive(Debug, Args)]
pub(crate) struct StorageTest {
    /// The configuration file.
    #[arg(long, env = "PORTOLAN_CONFIG")]
    pub(crate) config: PathBuf,
    /// Name of one location; all of them when left out.
    pub(crate) location: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Attaches a live cluster by its connection string and shows what its deletes can guarantee.
    Attach(Attach),
    /// Lists the clusters of a project.
    List(InProject),
    /// Shows the three connection strings of a cluster.
    ConnectionStrings(OfCluster),
    /// Reads documents from a file into a cluster: .bson, .ndjson, or an .archive of mongodump; gzipped or not.
    Import(Import),
    /// Writes a collection to a file (.bson, .ndjson), or collections with their indexes to an .archive.
    Export(Export),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Lists the online archives of a cluster.
    List(OfCluster),
    /// Makes the control rows of an archive again, from its table alone; it is paused afterwards.
    Attach(AttachArchive),
    /// Shows the runs of an online archive, newest first, with live progress; or one, with the documents
    /// that it skipped or left, and why.
    Runs(Runs),
    /// Lets an online archive run now, whatever its schedule says and however little there is to move.
    Run(OfArchive),
    /// Shows an online archive in full: state, totals, next look, last error, hold.
    Show(OfArchive),
    /// Shows what an online archive holds: documents, bytes, files, partitions, dates.
    Statistics(OfArchive),
    /// Says why an online archive is where it is, from the control state alone.
    Explain(OfArchive),
    /// Counts what a run would move now, and moves nothing; waits and prints what was found.
    Estimate(OfArchive),
    /// Reads everything in an online archive back and checks it; waits, and fails unless it is sound.
    Verify(Verify),
    /// Returns archived documents to the cluster, or to a collection of their own; waits.
    Restore(RestoreDocuments),
    /// Removes one document, by its _id, from all archives of the collection for good; waits.
    Redact(Redact),
    /// Places a hold: nothing in the archive expires or is deleted while it stands.
    Hold(Hold),
    /// Takes a hold back.
    Release(OfArchive),
    /// Takes a deletion back, inside the days of grace; the archive is paused afterwards. One that was
    /// deleted with its cluster goes on in the one named here.
    Undelete(OfArchive),
    /// Looks again for what suspended an archive, and releases it when that is gone or accepted; it is
    /// paused afterwards.
    Resume(Resume),
    /// Gives an orphaned archive a collection again; it is paused afterwards.
    Reattach(Reattach),
    /// Shows what would expire: by the archive's rule, or by one that is not set yet.
    ExpiryPreview(ExpiryPreview),
    /// Shows the work on an archive beside its runs, newest first: expiry, clean-up and so on.
    Operations(OfArchive),
}

/// How to reach a running instance.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Base URL of the instance.
    #[arg(long, env = "PORTOLAN_BASE_URL")]
    pub(crate) base_url: Option<String>,
    /// Client id of a service account.
    #[arg(long, env = "PORTOLAN_CLIENT_ID")]
    pub(crate) client_id: Option<String>,
    /// Client secret of the service account; better given by the environment.
    #[arg(long, env = "PORTOLAN_CLIENT_SECRET", hide_env_values = true)]
    pub(crate) client_secret: Option<String>,
    /// Takes all of this from the quickstart.json of a folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["base_url", "client_id", "client_secret"])]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InProject {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Id of the project; with --from, that of the quickstart when left out.
    #[arg(long)]
    pub(crate) project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OfCluster {
    #[command(flatten)]
    pub(crate) project: InProject,
    /// Name of the cluster.
    #[arg(long)]
    pub(crate) cluster: String,
}

#[derive(Debug, Args)]
pub(crate) struct OfArchive {
    #[command(flatten)]
    pub(crate) cluster: OfCluster,
    /// Id of the online archive.
    #[arg(long)]
    pub(crate) archive: String,
}

/// Which cluster to connect to, as any client does.
#[derive(Debug, Args)]
pub(crate) struct ClusterUri {
    /// File that holds the connection string (it carries a password, so it is not an argument).
    #[arg(long)]
    pub(crate) uri_file: Option<PathBuf>,
    /// The connection string itself, from the environment only.
    #[arg(hide = true, long, env = "PORTOLAN_CLUSTER_URI", hide_env_values = true)]
    pub(crate) uri: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) cluster: ClusterUri,
    /// Where documents of a .bson or .ndjson file go: DATABASE.COLLECTION.
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Drops each collection first.
    #[arg(long)]
    pub(crate) drop: bool,
    /// The file.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) cluster: ClusterUri,
    /// What to write: DATABASE.COLLECTION, or DATABASE into an .archive.
    #[arg(long)]
    pub(crate) namespace: String,
    /// The file to make; it must not be there yet.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArchive {
    #[command(flatten)]
    pub(crate) cluster: OfCluster,
    /// URI of the table, in a storage location of the instance's configuration.
    #[arg(long, value_name = "URI")]
    pub(crate) storage: String,
    /// Take the table from the installation that owns it: its workers are fenced from then on.
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Age of a DATE rule, for tables that were written before tables told it.
    #[arg(long, value_name = "DAYS")]
    pub(crate) expire_after_days: Option<i32>,
    /// Filter of a CUSTOM rule, likewise.
    #[arg(long, value_name = "JSON")]
    pub(crate) query: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// A reason that need not go away, such as SOURCE_OLDER; may be given several times.
    #[arg(long, value_name = "REASON")]
    pub(crate) accept: Vec<String>,
    /// The lowest level that will do, with --accept LEVEL_FELL.
    #[arg(long)]
    pub(crate) level: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reattach {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Database of the collection; the archive's own when left out.
    #[arg(long)]
    pub(crate) database: Option<String>,
    /// The collection; that of the archive's own name when left out.
    #[arg(long)]
    pub(crate) collection: Option<String>,
    /// Another collection than the one that was archived is meant, such as one that was restored.
    #[arg(long)]
    pub(crate) other_collection: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Also looks whether the cluster holds archived documents: one look-up for each 500.
    #[arg(long)]
    pub(crate) against_cluster: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Shows this run, with the documents that it names.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Page of the runs, or of the run's documents; from 1.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) page: u32,
    /// Entries of a page.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) per_page: u32,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreDocuments {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Which documents: a find filter as extended JSON. All of them when left out.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Database to return to, when not the archive's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) to_database: Option<String>,
    /// Collection to return to, when not the archive's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) to_collection: Option<String>,
    /// Stop at the first document that cannot return, instead of listing it.
    #[arg(long)]
    pub(crate) stop_at_conflict: bool,
    /// Only count what would return.
    #[arg(long)]
    pub(crate) preview: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// The document's _id as extended JSON: 5, "text", {"$oid": "…"}.
    #[arg(long, value_name = "JSON")]
    pub(crate) id: String,
    /// The values of its shard key as extended JSON, where documents on several shards have one _id:
    /// {"customer": "b"}.
    #[arg(long, value_name = "JSON")]
    pub(crate) shard_key: Option<String>,
    /// Why; it stays in the record, which names the document by a hash only.
    #[arg(long)]
    pub(crate) reason: String,
    /// Go on although the cluster may hold a document with this _id.
    #[arg(long)]
    pub(crate) even_if_live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Hold {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Why; it is shown wherever the hold refuses something.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExpiryPreview {
    #[command(flatten)]
    pub(crate) archive: OfArchive,
    /// Looks at a rule of so many days instead of the archive's own.
    #[arg(long, value_name = "DAYS")]
    pub(crate) expire_after_days: Option<i32>,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) project: InProject,
    /// Name that the cluster gets in the project.
    #[arg(long)]
    pub(crate) name: String,
    /// File that holds the connection string (it carries a password, so it is not an argument).
    #[arg(long)]
    pub(crate) uri_file: PathBuf,
    /// You state that documents that match an archive's criteria are no longer written. Clusters
    /// that cannot guard deletes (level L0, such as FerretDB 1.x) are refused without it.
    #[arg(long)]
    pub(crate) writes_quiesced: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
