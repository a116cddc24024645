//! A child process that is stopped the polite way, and never left behind.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A server that this run started.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    /// Starts it; its output goes to standard error.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child })
    }

    /// Waits until `ready` says so.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        timeout_s: u64,
        ready: impl Fn() -> bool,
    ) -> Result<()> {
        let end = deadline(timeout_s);
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before {what} was there", self.name);
            }
            ensure!(!passed(end), "{}: {what} was not there after {timeout_s} s", self.name);
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it had resident so far, as the kernel counts it (Linux).
    pub(crate) fn peak_memory_kb(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.context("the kernel does not say how much memory was used")
    }

    /// Sends SIGTERM and demands that it ends with status 0 in time.
    pub(crate) fn stop(mut self, timeout_s: u64) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let end = deadline(timeout_s);
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status} after SIGTERM", self.name);
                return Ok(());
            }
            ensure!(!passed(end), "{} was still there {timeout_s} s after SIGTERM", self.name);
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a chore outside the product waits in real time")]
fn deadline(timeout_s: u64) -> Instant {
    Instant::now() + Duration::from_secs(timeout_s)
}

#[expect(clippy::disallowed_methods, reason = "a chore outside the product waits in real time")]
fn passed(end: Instant) -> bool {
    Instant::now() > end
}
