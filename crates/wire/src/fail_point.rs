//! `configureFailPoint`: commands that fail on purpose, for tests of drivers and applications.
//!
//! Only servers in test mode know it. The fail points are the three that the drivers' public test
//! suites set (<https://github.com/mongodb/specifications/tree/master/source/unified-test-format>):
//! `failCommand`, `onPrimaryTransactionalWrite` and `failGetMoreAfterCursorCheckout`. What is not
//! here: which labels an error gets without being told (`labels`).

mod parse;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};

use crate::command::Command;
use crate::error::CommandError;
use crate::labels;

/// The fail point that most tests set.
const FAIL_COMMAND: &str = "failCommand";
/// Fires on numbered writes, after the write unless told otherwise.
const TRANSACTIONAL_WRITE: &str = "onPrimaryTransactionalWrite";
/// Fires on `getMore` once the cursor was found.
const GET_MORE: &str = "failGetMoreAfterCursorCheckout";
const NAMES: &[&str] = &[FAIL_COMMAND, TRANSACTIONAL_WRITE, GET_MORE];

/// How often a fail point fires.
#[derive(Debug, Clone, PartialEq)]
enum Mode {
    Always,
    /// So many times more.
    Times(u64),
    /// Always, after so many commands were let through.
    Skip(u64),
    /// With this probability.
    Sometimes(f64),
}

/// What a fail point does to the commands that it meets.
#[derive(Debug, Clone, Default, PartialEq)]
struct Action {
    /// Commands by name; empty for fail points that choose by themselves.
    commands: Vec<String>,
    app_name: Option<String>,
    namespace: Option<String>,
    block_ms: Option<u64>,
    error: Option<i32>,
    close: bool,
    write_concern_error: Option<RawDocumentBuf>,
    labels: Option<Vec<String>>,
}

#[derive(Debug)]
struct Armed {
    mode: Mode,
    action: Action,
    /// How often it fired since it was set.
    fired: i64,
    /// Numbered writes that it met: one that is sent again is answered from its record and writes
    /// nothing.
    writes: HashSet<(Vec<u8>, i64)>,
}

/// What becomes of one command.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// Wait so long first.
    pub(crate) block_ms: Option<u64>,
    /// Fail with this instead of running.
    pub(crate) error: Option<CommandError>,
    /// Close the connection instead of answering.
    pub(crate) close: bool,
    /// Run before the connection is closed.
    pub(crate) run_before_close: bool,
    /// Errors of change streams get their labels by themselves.
    pub(crate) labels_streams: bool,
    write_concern_error: Option<RawDocumentBuf>,
    labels: Option<Vec<String>>,
}

impl Fate {
    /// Whether the fail point fails the command with labels of its own.
    pub(crate) fn names_labels(&self) -> bool {
        self.labels.is_some() && self.error.is_some()
    }

    /// Adds the `writeConcernError` to the reply of a command that ran.
    pub(crate) fn finish(self, command: Named<'_>, reply: &mut RawDocumentBuf) {
        let Some(error) = self.write_concern_error else { return };
        let code = error.get_i32("code").unwrap_or_default();
        let labels = self.labels.unwrap_or_else(|| labels::of_write_concern_error(command, code));
        if !labels.is_empty() {
            let labels: RawArrayBuf = labels.iter().map(String::as_str).collect();
            reply.append(cstr!("errorLabels"), labels);
        }
        reply.append(cstr!("writeConcernError"), error);
    }
}

/// What labels depend on: the name of a command, and the transaction it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'c> {
    pub(crate) name: &'c str,
    pub(crate) numbered: bool,
    pub(crate) in_transaction: bool,
    /// It opens or reads a change stream.
    pub(crate) change_stream: bool,
}

impl<'c> Named<'c> {
    pub(crate) fn of(command: &'c Command) -> Self {
        Self {
            name: &command.name,
            numbered: command.txn_number().is_some(),
            in_transaction: command.get_bool("autocommit").ok().flatten() == Some(false),
            change_stream: opens_change_stream(command),
        }
    }

    fn ends_transaction(&self) -> bool {
        matches!(self.name, "commitTransaction" | "abortTransaction")
    }

    /// Whether drivers may send the command a second time.
    pub(crate) fn is_retryable(&self) -> bool {
        self.numbered && (!self.in_transaction || self.ends_transaction())
    }

    /// Whether the command is one of a transaction's statements.
    pub(crate) fn is_statement(&self) -> bool {
        self.in_transaction && !self.ends_transaction()
    }
}

fn opens_change_stream(command: &Command) -> bool {
    let Ok(Some(stages)) = command.get_array("pipeline") else { return false };
    let first = stages.into_iter().next().and_then(Result::ok);
    let stage = first.and_then(|stage| stage.as_document());
    command.name == "aggregate"
        && stage.is_some_and(|stage| matches!(stage.get("$changeStream"), Ok(Some(_))))
}

/// The fail points of a server.
#[derive(Default)]
pub(crate) struct FailPoints {
    armed: Mutex<HashMap<&'static str, Armed>>,
}

impl FailPoints {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Armed>> {
        self.armed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The command `configureFailPoint`.
    pub(crate) fn configure(&self, command: &Command) -> Result<RawDocumentBuf, CommandError> {
        let name = parse::name(command)?;
        let mode = parse::mode(command)?;
        let action = parse::action(command, name)?;
        let mut armed = self.lock();
        let before = armed.remove(name).map_or(0, |armed| armed.fired);
        if let Some(mode) = mode {
            armed.insert(name, Armed { mode, action, fired: 0, writes: HashSet::new() });
        }
        Ok(rawdoc! { "count": before })
    }

    /// What is to become of a command; `None` when no fail point is met. `chance` is a number in
    /// `0.0..1.0`.
    pub(crate) fn meet(
        &self,
        command: &Command,
        app_name: Option<&str>,
        chance: impl Fn() -> f64,
    ) -> Option<Fate> {
        let mut armed = self.lock();
        if armed.is_empty() || command.name == "configureFailPoint" {
            return None;
        }
        let named = Named::of(command);
        let name = *NAMES.iter().find(|name| {
            armed.get(**name).is_some_and(|armed| armed.action.meets(name, command, app_name))
        })?;
        let point = armed.get_mut(name)?;
        let writes = name == TRANSACTIONAL_WRITE && point.action.error.is_none();
        if writes && !point.is_new(command) {
            return None;
        }
        if !point.fires(chance) {
            return None;
        }
        let fate = point.action.fate(name, named);
        if point.mode == Mode::Times(0) {
            armed.remove(name);
        }
        Some(fate)
    }
}

impl Armed {
    /// Whether a numbered write comes for the first time.
    fn is_new(&mut self, command: &Command) -> bool {
        let session = command.lsid().unwrap_or_default();
        self.writes.insert((session, command.txn_number().unwrap_or_default()))
    }

    fn fires(&mut self, chance: impl Fn() -> f64) -> bool {
        let fires = match &mut self.mode {
            Mode::Always => true,
            Mode::Times(left) => {
                *left = left.saturating_sub(1);
                true
            }
            Mode::Skip(0) => true,
            Mode::Skip(left) => {
                *left -= 1;
                false
            }
            Mode::Sometimes(probability) => chance() < *probability,
        };
        self.fired += i64::from(fires);
        fires
    }
}

impl Action {
    fn meets(&self, point: &str, command: &Command, app_name: Option<&str>) -> bool {
        let named = Named::of(command);
        let chosen = match point {
            TRANSACTIONAL_WRITE => named.numbered && !named.in_transaction,
            GET_MORE => named.name == "getMore",
            _ => self.commands.contains(&command.name),
        };
        let namespace = || command.namespace().ok();
        chosen
            && self.app_name.as_deref().is_none_or(|wanted| app_name == Some(wanted))
            && self.namespace.as_ref().is_none_or(|wanted| namespace().as_ref() == Some(wanted))
    }

    fn fate(&self, point: &str, named: Named<'_>) -> Fate {
        let error = self.error.map(|code| {
            let message = format!("Failing command via '{point}' failpoint");
            let mut error = CommandError::new(code, message);
            error.labels = match &self.labels {
                Some(labels) => labels.clone(),
                None => labels::of_error(named, code),
            };
            error
        });
        Fate {
            block_ms: self.block_ms,
            run_before_close: self.close && error.is_none() && point == TRANSACTIONAL_WRITE,
            labels_streams: point == GET_MORE && self.labels.is_none(),
            error,
            close: self.close,
            write_concern_error: self.write_concern_error.clone(),
            labels: self.labels.clone(),
        }
    }
}
