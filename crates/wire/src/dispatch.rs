//! Which command is answered here, which goes to the backend, and who may send it.

use bson::{RawBsonRef, RawDocumentBuf, rawdoc};
use tokio_util::sync::CancellationToken;

use crate::backend::{CommandContext, Reply};
use crate::command::Command;
use crate::connection::Session;
use crate::error::{CommandError, codes};
use crate::fail_point::Fate;
use crate::shared::Shared;
use crate::{authentication, cursors, hello, labels, server_info};

/// How old the knowledge of a logged-in user's account may be.
const USER_AGE_MS_MAX: u64 = 2_000;

/// Commands that need no user, as on servers with access control.
const BEFORE_AUTHENTICATION: &[&str] = &[
    "hello",
    "isMaster",
    "ismaster",
    "ping",
    "buildInfo",
    "buildinfo",
    "saslStart",
    "saslContinue",
    "logout",
    "connectionStatus",
    "whatsmyuri",
    "endSessions",
];

/// Runs a command; the reply has no `ok` yet.
pub(crate) async fn run(
    shared: &Shared,
    session: &mut Session,
    command: Command,
    cancelled: &CancellationToken,
) -> Result<RawDocumentBuf, CommandError> {
    check_api_version(&command)?;
    read_user_again(shared, session).await;
    let open = session.user.is_some() || !shared.options.require_auth;
    if !open && !BEFORE_AUTHENTICATION.contains(&command.name.as_str()) {
        let message = format!("Command {} requires authentication", command.name);
        return Err(CommandError::new(codes::UNAUTHORIZED, message));
    }
    let mut owned = labels::Owned::of(&command);
    if let Some(RawBsonRef::Int64(id)) = command.get("getMore") {
        owned.change_stream = shared.cursors.is_change_stream(id);
    }
    let fate = fate(shared, session, &command);
    if fate.as_ref().is_some_and(|fate| !fate.labels_streams) {
        owned.change_stream = false;
    }
    // A fail point that names the labels of its error names all of them.
    let named = fate.as_ref().is_some_and(Fate::names_labels);
    let outcome = match fate {
        None => run_open(shared, session, command, cancelled).await,
        Some(fate) => run_fated(shared, session, command, cancelled, fate).await,
    };
    outcome.map_err(|error| labels::complete(error, owned.named(), named))
}

/// What a fail point has in store for a command.
fn fate(shared: &Shared, session: &Session, command: &Command) -> Option<Fate> {
    let chance = || f64::from(u16::from_le_bytes(shared.runtime.random_bytes())) / 65_536.0;
    shared.fail_points.meet(command, session.app_name.as_deref(), chance)
}

async fn run_fated(
    shared: &Shared,
    session: &mut Session,
    command: Command,
    cancelled: &CancellationToken,
    mut fate: Fate,
) -> Result<RawDocumentBuf, CommandError> {
    if let Some(block_ms) = fate.block_ms {
        shared.runtime.sleep_ms(block_ms).await;
    }
    session.close_without_reply = fate.close;
    if let Some(error) = fate.error.take() {
        if command.name == "getMore" {
            cursors::abandon(&shared.cursors, &session.owner(&command), &command);
        }
        return Err(error);
    }
    if fate.close && !fate.run_before_close {
        return Ok(RawDocumentBuf::new());
    }
    let owned = labels::Owned::of(&command);
    let mut reply = run_open(shared, session, command, cancelled).await?;
    fate.finish(owned.named(), &mut reply);
    Ok(reply)
}

/// Runs a command that its sender may send.
async fn run_open(
    shared: &Shared,
    session: &mut Session,
    command: Command,
    cancelled: &CancellationToken,
) -> Result<RawDocumentBuf, CommandError> {
    if let Some(reply) = about_connection(shared, session, &command).await {
        return reply;
    }
    if let Some(reply) = about_server(shared, session, &command) {
        return reply;
    }
    match command.name.as_str() {
        "getMore" => {
            let owner = session.owner(&command);
            cursors::get_more(shared, &owner, &command).await
        }
        _ => {
            let limit_ms = command.max_time_ms()?;
            let work = run_backend(shared, session, command, cancelled);
            within_limit(shared, limit_ms, work).await
        }
    }
}

/// A user who was deleted, or whose roles changed, keeps what the connection was opened with for at most
/// [`USER_AGE_MS_MAX`]. When accounts cannot be read just now, the connection goes on as it was.
async fn read_user_again(shared: &Shared, session: &mut Session) {
    let now_ms = shared.runtime.boot_ms();
    let Some(user) = &session.user else { return };
    if now_ms.saturating_sub(session.user_read_boot_ms) < USER_AGE_MS_MAX {
        return;
    }
    session.user_read_boot_ms = now_ms;
    match shared.backend.account(&user.database, &user.name).await {
        Ok(account) => session.log_in(account.map(|account| account.user)),
        Err(error) => tracing::warn!(%error, "an account could not be read again"),
    }
}

async fn about_connection(
    shared: &Shared,
    session: &mut Session,
    command: &Command,
) -> Option<Result<RawDocumentBuf, CommandError>> {
    Some(match command.name.as_str() {
        "hello" | "isMaster" | "ismaster" => hello::hello(shared, session, command).await,
        "saslStart" => authentication::sasl_start(shared, session, command).await,
        "saslContinue" => authentication::sasl_continue(session, command),
        "logout" => {
            session.user = None;
            Ok(RawDocumentBuf::new())
        }
        "connectionStatus" => server_info::connection_status(session, command),
        "whatsmyuri" => Ok(rawdoc! { "you": session.peer.as_str() }),
        _ => return None,
    })
}

fn about_server(
    shared: &Shared,
    session: &Session,
    command: &Command,
) -> Option<Result<RawDocumentBuf, CommandError>> {
    let owner = || session.owner(command);
    Some(match command.name.as_str() {
        "ping" | "refreshSessions" => Ok(RawDocumentBuf::new()),
        "buildInfo" | "buildinfo" => Ok(server_info::build_info(shared)),
        "startSession" => Ok(hello::start_session(shared)),
        "endSessions" | "killSessions" => {
            cursors::end_sessions(shared, &owner(), session.user.as_ref(), command)
        }
        "killAllSessions" => cursors::end_all_sessions(shared, session.user.as_ref(), command),
        "killCursors" => cursors::kill_cursors(&shared.cursors, &owner(), command),
        "getParameter" => server_info::get_parameter(shared, command),
        "getCmdLineOpts" => Ok(server_info::command_line(shared)),
        "getLog" => server_info::get_log(command),
        "hostInfo" => Ok(server_info::host_info(shared)),
        "serverStatus" => Ok(server_info::server_status(shared)),
        "configureFailPoint" if shared.backend.identity().test_commands => {
            may_set_fail_points(session).and_then(|()| shared.fail_points.configure(command))
        }
        _ => return None,
    })
}

/// A fail point concerns every client: setting one takes what ending the others' sessions takes.
fn may_set_fail_points(session: &Session) -> Result<(), CommandError> {
    match &session.user {
        Some(user) if !user.may_admin("admin") => {
            Err(CommandError::not_authorized("admin", "configureFailPoint"))
        }
        _ => Ok(()),
    }
}

async fn run_backend(
    shared: &Shared,
    session: &Session,
    command: Command,
    cancelled: &CancellationToken,
) -> Result<RawDocumentBuf, CommandError> {
    let context = CommandContext {
        connection_id: session.connection_id,
        user: session.user.clone(),
        cancelled: cancelled.clone(),
    };
    let owner = session.owner(&command);
    let timeless = command.get_bool("noCursorTimeout").ok().flatten() == Some(true);
    match shared.backend.run(&context, command).await? {
        Reply::Document(document) => Ok(document),
        Reply::Cursor(reply) => cursors::open(&shared.cursors, owner, timeless, reply).await,
        Reply::Tail(reply) => cursors::open_tail(&shared.cursors, owner, timeless, reply).await,
    }
}

/// `maxTimeMS`: work that takes longer is dropped where it waits.
async fn within_limit(
    shared: &Shared,
    limit_ms: Option<u64>,
    work: impl Future<Output = Result<RawDocumentBuf, CommandError>>,
) -> Result<RawDocumentBuf, CommandError> {
    let Some(limit_ms) = limit_ms else { return work.await };
    shared.runtime.timeout_ms(limit_ms, work).await.unwrap_or_else(|_| {
        Err(CommandError::new(codes::MAX_TIME_EXPIRED, "operation exceeded time limit"))
    })
}

/// The stable API: version 1 is the only one there is
/// (<https://www.mongodb.com/docs/manual/reference/stable-api/>).
fn check_api_version(command: &Command) -> Result<(), CommandError> {
    match command.get("apiVersion") {
        None if command.has("apiStrict") || command.has("apiDeprecationErrors") => {
            let message = "Provided apiStrict or apiDeprecationErrors without passing apiVersion";
            Err(CommandError::new(codes::API_VERSION_ERROR, message))
        }
        None | Some(RawBsonRef::String("1")) => Ok(()),
        Some(_) => Err(CommandError::new(codes::API_VERSION_ERROR, "API version must be \"1\"")),
    }
}
