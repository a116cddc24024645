//! A disk in memory for tests: it can lose power, and it can be full.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use portolan_runtime::Runtime;
use redb::StorageBackend;

/// What a disk writes at once: a write that is under way when the power goes is cut at such a border.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone)]
enum Operation {
    Write { offset: usize, data: Vec<u8> },
    SetLength(usize),
}

#[derive(Debug, Default)]
struct Inner {
    /// What a reader sees.
    now: Vec<u8>,
    /// What is left when the power goes.
    durable: Vec<u8>,
    /// What came since the last synchronization.
    unsynced: Vec<Operation>,
    bytes_max: Option<usize>,
}

/// A disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    inner: Arc<Mutex<Inner>>,
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics with the lock")
    }

    /// Refuses to grow from now on; `None`: there is room again.
    pub(crate) fn fill(&self, full: bool) {
        let mut inner = self.lock();
        inner.bytes_max = full.then_some(inner.now.len());
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.lock().now.len()
    }

    /// Another disk with what this one would have after a loss of power right now: of what was not
    /// synchronized any part, in any order, the last write of it cut.
    pub(crate) fn without_power(&self, runtime: &Runtime) -> Self {
        let (mut bytes, mut pending) = {
            let inner = self.lock();
            (inner.durable.clone(), inner.unsynced.clone())
        };
        let chance = |among: usize| {
            let drawn = u32::from_le_bytes(runtime.random_bytes());
            usize::try_from(drawn).expect("small") % among.max(1)
        };
        let keep = chance(pending.len() + 1);
        for number in 0..keep {
            let mut operation = pending.swap_remove(chance(pending.len()));
            if number + 1 == keep
                && let Operation::Write { data, .. } = &mut operation
            {
                data.truncate(chance(data.len() / SECTOR_BYTES + 1) * SECTOR_BYTES);
            }
            apply(&mut bytes, &operation);
        }
        let inner = Inner { now: bytes.clone(), durable: bytes, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

fn apply(bytes: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::SetLength(length) => bytes.resize(*length, 0),
        Operation::Write { offset, data } => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("small")
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let inner = self.lock();
        let start = position(offset);
        let bytes = inner.now.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut inner = self.lock();
        if inner.bytes_max.is_some_and(|max| position(len) > max) {
            return Err(ErrorKind::StorageFull.into());
        }
        inner.now.resize(position(len), 0);
        inner.unsynced.push(Operation::SetLength(position(len)));
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut inner = self.lock();
        inner.durable = inner.now.clone();
        inner.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut inner = self.lock();
        let operation = Operation::Write { offset: position(offset), data: data.to_vec() };
        apply(&mut inner.now, &operation);
        inner.unsynced.push(operation);
        Ok(())
    }
}
