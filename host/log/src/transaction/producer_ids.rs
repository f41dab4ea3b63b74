//! Producer ids: **never given out twice**, not even across a crash.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::environment::Environment;
use crate::framed::{Format, FrameError};
use crate::identity::ProducerId;

const FORMAT: Format =
    Format { magic: *b"TMPIDS\0\0", version: 1, oldest: 1, name: "producer id file" };

/// So many ids are reserved with one write.
const BLOCK: i64 = 1000;

/// The source of producer ids.
pub(crate) struct ProducerIds {
    path: PathBuf,
    state: Mutex<Block>,
}

struct Block {
    next: i64,
    /// Ids below it are reserved on disk.
    end: i64,
}

impl ProducerIds {
    /// Goes on after the last block that was reserved in `dir`.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, FrameError> {
        let path = dir.join("producer-ids");
        let end = match FORMAT.read(disk, &path) {
            Ok(payload) => decode(&payload).ok_or_else(|| FrameError::Damaged {
                name: FORMAT.name,
                path: path.clone(),
                position: 20,
                what: "it holds no number".into(),
            })?,
            Err(error) if error.is_missing() => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { path, state: Mutex::new(Block { next: end, end }) })
    }

    /// Leaves out all ids below `next`: somebody remembers them.
    pub(crate) fn skip_to(&self, next: i64) {
        let mut block = self.state.lock();
        if block.end < next {
            *block = Block { next, end: next };
        }
    }

    /// A new id. Writes to the disk once in a block.
    pub(crate) fn allocate(&self, environment: &Environment) -> io::Result<ProducerId> {
        let mut block = self.state.lock();
        if block.next == block.end {
            let end = block.end + BLOCK;
            FORMAT.replace(&*environment.disk, &self.path, &end.to_be_bytes())?;
            block.end = end;
        }
        let id = ProducerId::new(block.next);
        block.next += 1;
        Ok(id)
    }
}

fn decode(payload: &[u8]) -> Option<i64> {
    let number = i64::from_be_bytes(payload.try_into().ok()?);
    (number >= 0).then_some(number)
}
