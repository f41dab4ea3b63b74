//! Opens a partition after whatever happened to it.
//!
//! **A torn tail is cut off; damage in the middle is refused**, with file and byte position,
//! and nothing is changed. The tail begins where nothing is known to have been synced: after
//! the last sealed segment, and after the durable mark.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::listing::{Listing, sort_files};
use super::mark::{Mark, Newest};
use super::sync::SyncGate;
use super::{Durable, Health, Offsets, Partition, Producers, State};
use crate::batch::{ControlKind, Header};
use crate::config::{Flush, TopicConfig};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::environment::Environment;
use crate::framed::FrameError;
use crate::identity::{Offset, TopicPartition};
use crate::metrics::Metrics;
use crate::segment::{
    Active, Damage, DamageKind, Scanned, Seal, Segment, batch_follows, log_path, scan, seal_path,
};

/// Why a partition could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Acknowledged records are damaged or missing.
    #[error("`{}` is damaged at {damage}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where, and what.
        damage: Damage,
    },
    /// A file of ours is damaged, or of an unknown kind or version.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The disk said so.
    #[error("{action} `{}`", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RecoveryError {
    /// Whether opening can succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Damaged { .. } => false,
            Self::Frame(error) => error.is_retryable(),
            Self::Disk { .. } => true,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "nothing was changed; look with `tidemill log dump`, then restore the file from \
                 a backup or move the topic's folder away"
            }
            Self::Frame(error) => error.hint(),
            Self::Disk { .. } => "check the disk, its space and the folder's permissions",
        }
    }
}

fn disk_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = path.to_path_buf();
    move |source| RecoveryError::Disk { action, path, source }
}

/// What is needed to open a partition.
pub(crate) struct Opening {
    pub at: TopicPartition,
    pub dir: PathBuf,
    pub environment: Environment,
    pub metrics: Arc<Metrics>,
    pub config: Arc<TopicConfig>,
    /// It was laid out just now.
    pub is_new: bool,
}

/// The segments read so far.
struct Chain {
    closed: Vec<Arc<Segment>>,
    producers: Producers,
    /// Closed segments without a seal, and the producers at their end.
    unsealed: Vec<(Arc<Segment>, Producers)>,
    /// The last segment, if it has no seal.
    active: Option<Active>,
    next: Offset,
}

/// Where the log has to be cut.
struct Cut {
    base: Offset,
    bytes: u64,
    damage: Damage,
}

impl Partition {
    /// Lays out a new partition in `dir`; its name becomes durable with the caller's sync.
    pub(crate) fn lay_out(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        disk.create_dir_all(dir)?;
        Durable::new().write_new(disk, dir)?;
        Mark::create(disk, dir)?;
        // Nothing is in it yet that could be lost.
        Active::create(disk, dir, Offset::ZERO)?;
        disk.sync_dir(dir)
    }

    /// Opens the partition in `opening.dir`.
    ///
    /// # Errors
    /// [`RecoveryError`]; nothing was changed where it is damage.
    pub(crate) fn open(opening: Opening) -> Result<Arc<Self>, RecoveryError> {
        let disk = &*opening.environment.disk;
        let dir = &opening.dir;
        let mut facts = Durable::read(disk, dir)?;
        finish_swap(disk, dir, &mut facts)?;
        let mark = Mark::read(disk, dir)?;
        let entries = disk.list(dir).map_err(disk_error("list", dir))?;
        let Listing { bases, leftovers } = sort_files(&entries, facts.log_start);
        let synced = mark.map(|mark| mark.offset);
        let (chain, cut) = opening.read_chain(&bases, &facts, synced)?;
        // Only now is it sure that nothing is refused.
        for name in leftovers {
            remove_file(disk, &dir.join(name))?;
        }
        if let Some(cut) = &cut {
            opening.metrics.truncated();
            opening.cut_off(cut, &bases, &mut facts)?;
        } else if !opening.is_new && matches!(opening.config.flush, Flush::IntervalMs(_)) {
            // Readers may have seen records that went without a trace.
            facts.bump_epoch(chain.next);
            facts.write(disk, dir).map_err(disk_error("write", &Durable::path(dir)))?;
        }
        let partition = opening.assemble(chain, facts, mark)?;
        partition.settle(cut.is_some())?;
        Ok(partition)
    }

    /// Makes what was found durable before anybody reads it.
    ///
    /// What the mark tells of was synced before: a log that was not torn opens without a sync.
    fn settle(&self, was_cut: bool) -> Result<(), RecoveryError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let unsealed = std::mem::take(&mut state.unsealed);
        if was_cut || !unsealed.is_empty() || self.mark.lock().offset() < state.end {
            self.sync_found(state, &unsealed)?;
        }
        state.durable = state.end;
        state.high_watermark = state.end;
        for (segment, producers) in unsealed {
            self.seal(&segment, producers);
        }
        // There may be many partitions, and few files that can be open: twice, for it was used.
        state.active.rest();
        state.active.rest();
        self.publish(state);
        Ok(())
    }

    fn sync_found(
        &self,
        state: &State,
        unsealed: &[(Arc<Segment>, Producers)],
    ) -> Result<(), RecoveryError> {
        let closed = unsealed.iter().filter_map(|(segment, _)| segment.open_file());
        for file in closed.chain(state.active.open_file()) {
            file.sync_data().map_err(disk_error("sync a segment of", &self.dir))?;
        }
        let disk = &*self.environment.disk;
        disk.sync_dir(&self.dir).map_err(disk_error("sync", &self.dir))?;
        let synced = self.mark.lock().sync(state.end);
        synced.map_err(disk_error("write", &Mark::path(&self.dir)))
    }
}

/// Carries on with a compaction that a crash has interrupted.
fn finish_swap(disk: &dyn Disk, dir: &Path, facts: &mut Durable) -> Result<(), RecoveryError> {
    let Some(swap) = facts.swap.take() else { return Ok(()) };
    let path = log_path(dir, swap.base);
    swap.carry_on(disk, dir).map_err(disk_error("put the compacted segment in place of", &path))?;
    facts.write(disk, dir).map_err(disk_error("write", &Durable::path(dir)))
}

impl Opening {
    /// Reads all segments in order; says where the log must be cut, if anywhere.
    fn read_chain(
        &self,
        bases: &[Offset],
        facts: &Durable,
        synced: Option<Offset>,
    ) -> Result<(Chain, Option<Cut>), RecoveryError> {
        let first = bases.first().copied().unwrap_or(facts.log_start);
        if first > facts.log_start {
            let kind = DamageKind::Missing { until: first };
            let damage = Damage { position: 0, offset: facts.log_start, kind };
            return Err(self.damaged(facts.log_start, damage));
        }
        let mut chain = Chain {
            closed: Vec::new(),
            producers: Producers::default(),
            unsealed: Vec::new(),
            active: None,
            next: first,
        };
        let seals = self.read_seals(bases)?;
        // A sealed segment was synced, and all before it.
        let sealed_end = seals.iter().flatten().map(|seal| seal.next).max();
        let floor = sealed_end.max(synced).unwrap_or(facts.log_start).max(facts.log_start);
        let mut found = None;
        for (&base, seal) in bases.iter().zip(seals) {
            found = self.read_segment(&mut chain, base, seal, facts)?;
            if found.is_some() {
                break;
            }
        }
        // The log may also end too early without any damage to be seen.
        if found.is_none() && chain.next < floor {
            let base = bases.last().copied().unwrap_or(first);
            let bytes = chain.active.as_ref().map_or(0, |active| active.bytes);
            let kind = DamageKind::Missing { until: floor };
            let damage = Damage { position: bytes, offset: chain.next, kind };
            found = Some(Cut { base, bytes, damage });
        }
        if let Some(cut) = &found {
            self.refuse_in_the_middle(cut, floor, synced.is_some())?;
        }
        Ok((chain, found))
    }

    /// The seals beside the segments; one that is missing or damaged can be made again.
    fn read_seals(&self, bases: &[Offset]) -> Result<Vec<Option<Seal>>, RecoveryError> {
        let disk = &*self.environment.disk;
        let read = |base: &Offset| match Seal::read(disk, &self.dir, *base) {
            Ok(seal) => Ok(Some(seal)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error @ FrameError::Version { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!(partition = %self.at, %error, "segment seal is made again");
                Ok(None)
            }
        };
        bases.iter().map(read).collect()
    }

    fn read_segment(
        &self,
        chain: &mut Chain,
        base: Offset,
        seal: Option<Seal>,
        facts: &Durable,
    ) -> Result<Option<Cut>, RecoveryError> {
        if base > chain.next && chain.next < facts.cleaned_to {
            // The last records of a segment without a seal were compacted away.
            chain.next = base;
        }
        if base != chain.next {
            let kind = DamageKind::Missing { until: base };
            return Ok(Some(chain.cut_at_end(kind)));
        }
        chain.close_active();
        let path = log_path(&self.dir, base);
        let disk = &*self.environment.disk;
        let file = disk.open(&path, OpenMode::Write).map_err(disk_error("open", &path))?;
        if let Some(seal) = seal {
            let bytes = file.length().map_err(disk_error("measure", &path))?;
            if bytes == seal.bytes {
                chain.push_sealed(seal);
                return Ok(None);
            }
            // No crash does that: it was synced before it was sealed.
            let kind = DamageKind::Length { sealed: seal.bytes, found: bytes };
            let position = bytes.min(seal.bytes);
            return Err(self.damaged(base, Damage { position, offset: base, kind }));
        }
        let scanned = self.scan_segment(&*file, base, facts, &mut chain.producers, &path)?;
        let cut =
            scanned.0.damage.clone().map(|damage| Cut { base, bytes: scanned.0.bytes, damage });
        chain.push_scanned(base, file, scanned);
        Ok(cut)
    }

    fn scan_segment(
        &self,
        file: &dyn DiskFile,
        base: Offset,
        facts: &Durable,
        producers: &mut Producers,
        path: &Path,
    ) -> Result<(Scanned, Vec<super::AbortedTransaction>), RecoveryError> {
        let mut aborted = Vec::new();
        let interval = self.config.index_interval_bytes;
        let now_ms = self.environment.clock.now_ms();
        let place = |header: &Header, expected| facts.check_place(header, expected);
        let scanned =
            scan(file, base, interval, &place, &mut |batch, _| match ControlKind::of(batch) {
                Some(kind) => {
                    let ended = producers.ended(batch.header());
                    aborted.extend(ended.and_then(|ended| ended.aborted(kind)));
                }
                None => producers.appended(batch.header(), now_ms),
            });
        Ok((scanned.map_err(disk_error("read", path))?, aborted))
    }

    /// Damage below `floor` is in acknowledged records.
    fn refuse_in_the_middle(
        &self,
        cut: &Cut,
        floor: Offset,
        is_marked: bool,
    ) -> Result<(), RecoveryError> {
        let damage = &cut.damage;
        let mut refused = damage.offset < floor;
        if !refused && !is_marked {
            // Without a mark it is not known what was synced: only a plain end is cut.
            let path = log_path(&self.dir, cut.base);
            let disk = &*self.environment.disk;
            let file = disk.open(&path, OpenMode::Read).map_err(disk_error("open", &path))?;
            refused = batch_follows(&*file, damage).map_err(disk_error("read", &path))?;
        }
        if refused { Err(self.damaged(cut.base, damage.clone())) } else { Ok(()) }
    }

    fn damaged(&self, base: Offset, damage: Damage) -> RecoveryError {
        RecoveryError::Damaged { file: log_path(&self.dir, base), damage }
    }

    /// Cuts the log off at `cut`. The new epoch is durable first: clients must notice.
    fn cut_off(
        &self,
        cut: &Cut,
        bases: &[Offset],
        facts: &mut Durable,
    ) -> Result<(), RecoveryError> {
        let disk = &*self.environment.disk;
        facts.bump_epoch(cut.damage.offset);
        let state_path = Durable::path(&self.dir);
        facts.write(disk, &self.dir).map_err(disk_error("write", &state_path))?;
        // From the last one back, so that a crash in between leaves no gap.
        for &base in bases.iter().rev().take_while(|base| **base > cut.base) {
            remove_file(disk, &seal_path(&self.dir, base))?;
            remove_file(disk, &log_path(&self.dir, base))?;
        }
        let path = log_path(&self.dir, cut.base);
        let file = disk.open(&path, OpenMode::Write).map_err(disk_error("open", &path))?;
        let lost = file.length().map_err(disk_error("measure", &path))?.saturating_sub(cut.bytes);
        file.set_length(cut.bytes).map_err(disk_error("cut", &path))?;
        tracing::warn!(
            partition = %self.at, file = %path.display(), byte = cut.bytes, lost,
            offset = %cut.damage.offset, damage = %cut.damage.kind,
            epoch = %facts.epoch(), "torn tail cut off"
        );
        Ok(())
    }

    fn assemble(
        self,
        mut chain: Chain,
        facts: Durable,
        mark: Option<Newest>,
    ) -> Result<Arc<Partition>, RecoveryError> {
        let disk = &*self.environment.disk;
        // A file that is made here has a name that is not durable yet.
        let names_unsynced = chain.active.is_none();
        let active = match chain.active.take() {
            Some(active) => active,
            None => Active::create(disk, &self.dir, chain.next)
                .map_err(disk_error("create a segment in", &self.dir))?,
        };
        let disk = self.environment.disk.clone();
        let mark = Mark::new(disk, self.dir.clone(), mark, facts.log_start);
        let start = facts.log_start;
        let offsets = Offsets { log_start: start, high_watermark: start, last_stable: start };
        let state = State {
            segments: chain.closed,
            active,
            end: chain.next,
            durable: start,
            high_watermark: start,
            facts,
            producers: chain.producers,
            health: Health::Healthy,
            unsynced: Vec::new(),
            names_unsynced,
            unsealed: chain.unsealed,
        };
        let now_ms = self.environment.clock.now_ms();
        Ok(Arc::new(Partition {
            at: self.at,
            dir: self.dir,
            environment: self.environment,
            metrics: self.metrics,
            config: RwLock::new(self.config),
            state: Mutex::new(state),
            mark: Mutex::new(mark),
            start_moves: Mutex::new(()),
            compaction: Mutex::default(),
            offsets: watch::Sender::new(offsets),
            gate: SyncGate::new(now_ms),
        }))
    }
}

impl Chain {
    fn push_sealed(&mut self, seal: Seal) {
        self.next = seal.next;
        self.closed.push(Arc::new(Segment::from_seal(&seal)));
        self.producers = seal.producers;
    }

    fn push_scanned(
        &mut self,
        base: Offset,
        file: Arc<dyn DiskFile>,
        (scanned, aborted): (Scanned, Vec<super::AbortedTransaction>),
    ) {
        self.next = scanned.next;
        let mut active = Active::of_file(base, file);
        active.bytes = scanned.bytes;
        active.index = scanned.index;
        active.crc = scanned.crc;
        active.started_ms = scanned.started_ms;
        active.aborted = aborted;
        self.active = Some(active);
    }

    /// Another segment follows the one without a seal.
    fn close_active(&mut self) {
        if let Some(active) = self.active.take()
            && let Some(file) = active.open_file()
        {
            let segment = Arc::new(active.close(self.next, file));
            self.unsealed.push((segment.clone(), self.producers.clone()));
            self.closed.push(segment);
        }
    }

    /// The log ends early, with the last segment read.
    fn cut_at_end(&self, kind: DamageKind) -> Cut {
        let active = self.active.as_ref().map(|active| (active.base, active.bytes));
        let closed = self.closed.last().map(|closed| (closed.base, closed.bytes));
        let (base, bytes) = active.or(closed).unwrap_or((self.next, 0));
        Cut { base, bytes, damage: Damage { position: bytes, offset: self.next, kind } }
    }
}

/// Removes a file that may be gone already.
fn remove_file(disk: &dyn Disk, path: &Path) -> Result<(), RecoveryError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(disk_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}
