//! Finds the files of a pattern and reads what is new in them. Blocking; no log in sight.
//! **Memory is bounded**: one round reads `ROUND_BYTES_MAX` and a line at most.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::appender::Moved;
use super::error::IngestError;
use super::lines::{LINE_BYTES_MAX, Lines};
use super::position::{Decision, FilePosition, Identity, MARK_BYTES_MAX, decide};

/// What one commit carries is read in one round.
const ROUND_BYTES_MAX: usize = 4 << 20;
/// Read of one file at once: a line of the longest length and its end always fit.
const READ_BYTES_MAX: usize = 2 << 20;
const _: () = assert!(READ_BYTES_MAX > LINE_BYTES_MAX + 2 && READ_BYTES_MAX <= ROUND_BYTES_MAX);
/// Positions are kept for this many files.
const FILES_MAX: usize = 10_000;
/// Those of files that are gone are used again only when all are taken, for a file may come back.
const SLOTS_MAX: u32 = 2 * FILES_MAX as u32;

/// A file as it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    path: String,
    size: u64,
    identity: Option<Identity>,
}

struct Known {
    slot: u32,
    position: FilePosition,
    /// At this size, only an unfinished line was left.
    waits_at: Option<u64>,
}

/// The files of a pattern, and how far each was read.
pub(super) struct Tail {
    pattern: String,
    known: BTreeMap<String, Known>,
    /// The highest number that stands for a file.
    slots: u32,
    /// Where the round before ended: the next one begins behind it, so that a file that grows
    /// fast does not hold up the others.
    last_read: Option<String>,
    buffer: Vec<u8>,
}

impl Tail {
    /// Goes on from stored positions.
    pub fn new(pattern: &str, group: &str, stored: &[Moved]) -> Result<Self, IngestError> {
        check_folder(pattern)?;
        let mut known = BTreeMap::new();
        for Moved { slot, text, .. } in stored {
            let position: FilePosition = serde_json::from_str(text).map_err(|source| {
                IngestError::Position { group: group.to_owned(), text: text.clone(), source }
            })?;
            let entry = Known { slot: *slot, position, waits_at: None };
            known.insert(entry.position.path.clone(), entry);
        }
        let slots = known.values().map(|known| known.slot).max().unwrap_or(0);
        let (pattern, buffer) = (pattern.to_owned(), Vec::new());
        Ok(Self { pattern, known, slots, last_read: None, buffer })
    }

    /// The files that are there, in the order of their paths.
    pub fn find(&self) -> Result<Vec<Found>, IngestError> {
        let paths = glob::glob(&self.pattern).into_iter().flatten();
        let mut found = Vec::new();
        for path in paths {
            let path = match path {
                Ok(path) => path,
                Err(error) if error.error().kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    let path = error.path().to_owned();
                    return Err(IngestError::File {
                        action: "look into",
                        path,
                        source: error.into(),
                    });
                }
            };
            let metadata = match path.metadata() {
                Ok(metadata) if metadata.is_file() => metadata,
                Ok(_) => continue,
                // Gone between the look into the folder and this one.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(IngestError::File { action: "look at", path, source }),
            };
            let Some(name) = path.to_str() else {
                tracing::warn!(path = %path.display(), "passing over a file whose name is not UTF-8");
                continue;
            };
            if found.len() == FILES_MAX {
                let pattern = self.pattern.clone();
                return Err(IngestError::TooMany { pattern, max: FILES_MAX });
            }
            let identity = identity(&metadata);
            found.push(Found { path: name.to_owned(), size: metadata.len(), identity });
        }
        found.sort_unstable_by(|left: &Found, right| left.path.cmp(&right.path));
        found.dedup_by(|left, right| left.path == right.path);
        Ok(found)
    }

    /// Reads what is new in the files, up to the size they were found with, and gives back the
    /// positions behind the lines it took. With `is_end`, an unfinished last line counts.
    pub fn read(
        &mut self,
        found: &[Found],
        is_end: bool,
        now_ms: i64,
        lines: &mut Lines,
    ) -> Result<Vec<Moved>, IngestError> {
        let mut moved = Vec::new();
        let mut room = ROUND_BYTES_MAX;
        let first = self
            .last_read
            .as_ref()
            .map_or(0, |last| found.partition_point(|file| file.path <= *last));
        let (before, after) = found.split_at(first);
        for file in after.iter().chain(before) {
            let before = room;
            while room >= READ_BYTES_MAX {
                let read = self.read_file(file, found, is_end, now_ms, lines)?;
                if read == 0 {
                    break;
                }
                room = room.saturating_sub(read);
            }
            if room < before {
                self.last_read = Some(file.path.clone());
                moved.extend(self.known.get(&file.path).map(moved_to));
            }
            if room < READ_BYTES_MAX {
                break;
            }
        }
        Ok(moved)
    }

    /// Takes lines from one file and gives back how many bytes they had.
    fn read_file(
        &mut self,
        found: &Found,
        all: &[Found],
        is_end: bool,
        now_ms: i64,
        lines: &mut Lines,
    ) -> Result<usize, IngestError> {
        if let Some(known) = self.known.get(&found.path) {
            let unchanged = known.position.bytes == found.size
                || (known.waits_at == Some(found.size) && !is_end);
            if unchanged && known.position.identity == found.identity {
                return Ok(0);
            }
        }
        let path = Path::new(&found.path);
        let failed = |source| IngestError::File { action: "read", path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            // It will be found again, or not.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(source) => return Err(failed(source)),
        };
        let mut position = self.position_in(found, all, &mut file).map_err(failed)?;
        let length = found.size.saturating_sub(position.bytes).min(READ_BYTES_MAX as u64);
        read_at(&mut file, position.bytes, length, &mut self.buffer).map_err(failed)?;
        let is_last = position.bytes + self.buffer.len() as u64 >= found.size;
        let taken = lines.cut(&self.buffer, is_end && is_last, now_ms).map_err(|too_long| {
            let at = position.bytes + too_long.at as u64;
            IngestError::Line { origin: found.path.clone(), at }
        })?;
        if taken > 0 {
            position.bytes += taken as u64;
            let (start, length) = (position.mark_start(), position.bytes - position.mark_start());
            read_at(&mut file, start, length, &mut self.buffer).map_err(failed)?;
            position.mark = crc32fast::hash(&self.buffer);
        }
        position.identity = found.identity;
        let waits_at = is_last.then_some(found.size);
        let slot = self.slot(&found.path, all);
        self.known.insert(found.path.clone(), Known { slot, position, waits_at });
        Ok(taken)
    }

    /// Where to read on: behind what was read under this path, or under another before the file
    /// was renamed, if that is still the same; else at the beginning.
    fn position_in(
        &self,
        found: &Found,
        all: &[Found],
        file: &mut File,
    ) -> io::Result<FilePosition> {
        let start = FilePosition::start(&found.path, found.identity);
        let known = match self.known.get(&found.path) {
            Some(known) => &known.position,
            None => match self.renamed(found, all) {
                Some(position) => position,
                None => return Ok(start),
            },
        };
        let mut buffer = Vec::new();
        let mark = if known.bytes <= found.size {
            read_at(file, known.mark_start(), known.bytes - known.mark_start(), &mut buffer)?;
            Some(crc32fast::hash(&buffer))
        } else {
            None
        };
        match decide(known, found.size, mark) {
            Decision::GoOn => Ok(FilePosition { path: found.path.clone(), ..known.clone() }),
            Decision::StartOver => {
                tracing::info!(path = %found.path, "the file is another one now, or was cut short: reading it from its beginning");
                Ok(start)
            }
        }
    }

    /// The position of the same file under the name that it had before.
    fn renamed(&self, found: &Found, all: &[Found]) -> Option<&FilePosition> {
        let identity = found.identity?;
        let former = self.known.values().map(|known| &known.position);
        let former = former.filter(|position| position.identity == Some(identity));
        // A second name for the same file (a hard link) is not a new name.
        let former = former.filter(|position| {
            let at = all.binary_search_by(|other| other.path.as_str().cmp(&position.path));
            at.ok().and_then(|at| all.get(at)).is_none_or(|now| now.identity != Some(identity))
        });
        // A file that was renamed before is known by each of its names; it was read under the last.
        former.max_by_key(|position| position.bytes)
    }

    /// The number of a file: its own, a new one, or that of a file that is gone if all are taken.
    fn slot(&mut self, path: &str, all: &[Found]) -> u32 {
        if let Some(known) = self.known.get(path) {
            return known.slot;
        }
        if self.slots < SLOTS_MAX {
            self.slots += 1;
            return self.slots;
        }
        let there: BTreeSet<&str> = all.iter().map(|found| found.path.as_str()).collect();
        let gone = self.known.iter().find(|(path, _)| !there.contains(path.as_str()));
        let Some((gone, slot)) = gone.map(|(path, known)| (path.clone(), known.slot)) else {
            unreachable!("{SLOTS_MAX} slots for {FILES_MAX} files");
        };
        self.known.remove(&gone);
        slot
    }
}

fn moved_to(known: &Known) -> Moved {
    let text = serde_json::json!(known.position).to_string();
    let offset = i64::try_from(known.position.bytes).unwrap_or(i64::MAX);
    Moved { slot: known.slot, offset, text }
}

/// Reads up to `length` bytes at `start`; fewer if the file ends before.
fn read_at(file: &mut File, start: u64, length: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    debug_assert!(length <= (READ_BYTES_MAX as u64).max(MARK_BYTES_MAX));
    buffer.clear();
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(buffer)?;
    Ok(())
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let born = metadata.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Identity { inode: metadata.ino(), born_ns: u64::try_from(born.as_nanos()).ok()? })
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

/// A pattern whose folder is not there is a mistake; one that matches no file may match later.
fn check_folder(pattern: &str) -> Result<(), IngestError> {
    let path = fixed_folder(pattern);
    match std::fs::read_dir(&path) {
        Ok(_) => Ok(()),
        Err(source) => Err(IngestError::Folder { path, pattern: pattern.to_owned(), source }),
    }
}

/// The folders that a pattern begins with, up to the first wildcard.
fn fixed_folder(pattern: &str) -> PathBuf {
    let parts: Vec<Component> = Path::new(pattern).components().collect();
    let folders = parts.split_last().map_or(&[][..], |(_, folders)| folders);
    let fixed = folders.iter().take_while(|part| {
        !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
    });
    let path: PathBuf = fixed.collect();
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_folder_before_the_wildcard() {
        for (pattern, expected) in [
            ("/var/log/*.log", "/var/log"),
            ("/var/*/a.log", "/var"),
            ("/var/log/a.log", "/var/log"),
            ("/a.log", "/"),
            ("a.log", "."),
            ("*/a", "."),
            ("../x/**/a", "../x"),
        ] {
            assert_eq!(fixed_folder(pattern), Path::new(expected), "{pattern}");
        }
    }
}
