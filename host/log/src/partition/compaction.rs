//! Compaction: of every key the newest record stays, under its offset.
//!
//! A pass reads the keys of what was written since the last one, as many as memory allows, and
//! then writes all segments again without what they replace, a group of segments at a time.
//! **A crash at any point leaves the old segments of a group or the new one.** The segment that
//! is written to is never touched, nor is anything at or after the last stable offset.

mod key_map;
mod plan;
mod sieve;
mod writer;

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::key_map::KeyMap;
use self::plan::Candidate;
use self::sieve::{Left, Places, Sieve};
use self::writer::Writer;
use super::{AbortedTransaction, Durable, Health, Partition, State};
use crate::batch::{Batch, RecordReader};
use crate::config::TopicConfig;
use crate::identity::Offset;
use crate::segment::{Seal, Segment, Swap, cleaned_path, log_path, seal_path, visit_batches};

/// How long a pass that failed is not tried again.
const RETRY_MS: i64 = 60_000;

/// What compaction remembers from one pass to the next.
#[derive(Default)]
pub(super) struct Compaction {
    /// A swap that the facts tell of, and that was not carried through yet.
    pending: Option<Pending>,
    /// It is unknown what the facts on disk say of swaps: only a start can tell.
    is_halted: bool,
    not_before_ms: i64,
}

struct Pending {
    swap: Swap,
    old: Vec<Arc<Segment>>,
    fresh: Arc<Segment>,
}

/// What a pass works on.
struct Pass {
    config: Arc<TopicConfig>,
    segments: Vec<Arc<Segment>>,
    candidates: Vec<Candidate>,
    /// The keys from here on are read.
    cleaned_to: Offset,
    end: Offset,
    log_start: Offset,
    aborted: Vec<AbortedTransaction>,
    last_of_producers: HashSet<Offset>,
    /// The end of the last closed segment.
    last: Offset,
    now_ms: i64,
}

/// What a pass has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub bytes_before: u64,
    pub bytes_after: u64,
}

fn candidate(segment: &Segment) -> Candidate {
    Candidate {
        base: segment.base,
        next: segment.next,
        bytes: segment.bytes,
        max_timestamp_ms: segment.max_timestamp_ms,
        horizon_ms: segment.horizon_ms,
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the log is being closed")
}

impl Partition {
    /// How much of the partition is worth a pass now; `None`: nothing.
    pub(crate) fn dirt(&self) -> Option<f64> {
        if !self.config().cleanup.compact {
            return None;
        }
        let now_ms = self.environment.clock.now_ms();
        {
            let compaction = self.compaction.lock();
            if compaction.is_halted || compaction.not_before_ms > now_ms {
                return None;
            }
        }
        let state = self.state.lock();
        let closed: Vec<_> = sealed(&state).map(|segment| candidate(segment)).collect();
        let cleaned_to = state.facts.cleaned_to;
        let config = self.config();
        let dirt = plan::decide(&closed, cleaned_to, state.last_stable(), &config, now_ms);
        dirt.filter(|_| state.health == Health::Healthy).map(|dirt| dirt.ratio)
    }

    /// Compacts the partition once, as far as `keys_bytes_max` of memory allow, unless `stop`
    /// gets set. Waits for the disk.
    pub(crate) fn compact(&self, keys_bytes_max: u64, stop: &AtomicBool) -> Option<Compacted> {
        let result = self.try_compact(keys_bytes_max, stop);
        match result {
            Ok(compacted) => compacted,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => {
                tracing::warn!(partition = %self.at, %error, "partition not compacted");
                let now_ms = self.environment.clock.now_ms();
                self.compaction.lock().not_before_ms = now_ms.saturating_add(RETRY_MS);
                None
            }
        }
    }

    fn try_compact(&self, keys_bytes_max: u64, stop: &AtomicBool) -> io::Result<Option<Compacted>> {
        {
            let _alone = self.start_moves.lock();
            self.finish_swap()?;
        }
        let Some(mut pass) = self.begin_pass() else { return Ok(None) };
        let keys = self.read_keys(&mut pass, keys_bytes_max, stop)?;
        let horizon_ms = pass.now_ms.saturating_add_unsigned(pass.config.delete_retention_ms);
        let mut sieve = Sieve {
            keys: &keys,
            end: pass.end,
            log_start: pass.log_start,
            aborted: &pass.aborted,
            places: Places { last_of_producers: &pass.last_of_producers, last: pass.last },
            now_ms: pass.now_ms,
            horizon_ms,
            with_records: HashSet::new(),
            reader: RecordReader::default(),
        };
        let mut compacted = Compacted::default();
        for group in plan::group(&pass.candidates, pass.end, pass.config.segment_bytes) {
            let old = pass.segments.get(group).unwrap_or_default();
            compacted.bytes_before += old.iter().map(|segment| segment.bytes).sum::<u64>();
            match self.compact_group(&pass, old, &mut sieve, stop)? {
                Some(bytes) => compacted.bytes_after += bytes,
                // The partition has changed meanwhile: the next pass sees it as it is.
                None => return Ok(Some(compacted)),
            }
        }
        self.end_pass(pass.end)?;
        tracing::info!(
            partition = %self.at, until = %pass.end, before = compacted.bytes_before,
            after = compacted.bytes_after, "partition compacted"
        );
        Ok(Some(compacted))
    }

    fn begin_pass(&self) -> Option<Pass> {
        let config = self.config();
        let now_ms = self.environment.clock.now_ms();
        if !config.cleanup.compact || self.compaction.lock().is_halted {
            return None;
        }
        let state = self.state.lock();
        if state.health != Health::Healthy {
            return None;
        }
        let segments: Vec<_> = sealed(&state).cloned().collect();
        let candidates: Vec<_> = segments.iter().map(|segment| candidate(segment)).collect();
        let cleaned_to = state.facts.cleaned_to;
        let stable = state.last_stable();
        let dirt = plan::decide(&candidates, cleaned_to, stable, &config, now_ms)?;
        let first = candidates.first()?.base;
        Some(Pass {
            config,
            segments,
            candidates,
            cleaned_to,
            end: dirt.end,
            log_start: state.facts.log_start,
            aborted: state.aborted_between(first, dirt.end),
            last_of_producers: state.producers.last_offsets().collect(),
            last: state.active.base,
            now_ms,
        })
    }

    /// Reads the keys of what is new; ends the pass earlier where they are too many.
    fn read_keys(&self, pass: &mut Pass, bytes_max: u64, stop: &AtomicBool) -> io::Result<KeyMap> {
        let mut keys = KeyMap::new(bytes_max);
        let mut reader = RecordReader::default();
        let mut full_at = None;
        for segment in &pass.segments {
            if segment.next <= pass.cleaned_to || segment.base >= pass.end || full_at.is_some() {
                continue;
            }
            let loaded = segment.load(&*self.environment.disk, &self.dir)?;
            visit_batches(&*loaded.file, segment.bytes, &mut |batch| {
                if stop.load(Ordering::Relaxed) {
                    return Err(stopped());
                }
                full_at = note_keys(&mut keys, batch, pass, &mut reader)?;
                Ok(if full_at.is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })?;
        }
        pass.end = full_at.unwrap_or(pass.end);
        Ok(keys)
    }

    /// Writes a group of segments as one; returns its bytes, or `None` where they are no longer
    /// the partition's.
    fn compact_group(
        &self,
        pass: &Pass,
        old: &[Arc<Segment>],
        sieve: &mut Sieve<'_>,
        stop: &AtomicBool,
    ) -> io::Result<Option<u64>> {
        let (Some(first), Some(last)) = (old.first(), old.last()) else { return Ok(Some(0)) };
        let written = self.write_group(pass, old, sieve, stop);
        let seal = match written {
            Ok((seal, is_changed)) if is_changed || old.len() > 1 => seal,
            other => {
                self.let_go(old, first.base);
                return other.map(|(seal, _)| Some(seal.bytes));
            }
        };
        let joined = old.iter().skip(1).map(|segment| segment.base).collect();
        let swap = Swap { base: seal.base, bytes: seal.bytes, joined };
        let fresh = Arc::new(Segment::from_seal(&seal));
        let is_done =
            self.swap(Pending { swap, old: old.to_vec(), fresh }, pass.end.min(last.next))?;
        if !is_done {
            self.let_go(old, first.base);
        }
        Ok(is_done.then_some(seal.bytes))
    }

    /// Forgets a new segment that is not needed; what cannot be removed now is written over.
    fn let_go(&self, old: &[Arc<Segment>], base: Offset) {
        old.iter().for_each(|segment| segment.unpin());
        for path in [log_path(&self.dir, base), seal_path(&self.dir, base)] {
            let _ = self.environment.disk.remove_file(&cleaned_path(&path));
        }
    }

    fn write_group(
        &self,
        pass: &Pass,
        old: &[Arc<Segment>],
        sieve: &mut Sieve<'_>,
        stop: &AtomicBool,
    ) -> io::Result<(Seal, bool)> {
        let (Some(first), Some(last)) = (old.first(), old.last()) else { return Err(stopped()) };
        let (disk, dir) = (&*self.environment.disk, &self.dir);
        let mut writer = Writer::create(disk, dir, first.base, pass.config.index_interval_bytes)?;
        let mut is_changed = false;
        for segment in old {
            let loaded = segment.pin(disk, dir)?;
            visit_batches(&*loaded.file, segment.bytes, &mut |batch| {
                if stop.load(Ordering::Relaxed) {
                    return Err(stopped());
                }
                let header = batch.header();
                // A horizon that is over, where the batch stays all the same, says nothing new.
                let old_horizon = header.delete_horizon_ms();
                let horizon_ms = old_horizon.filter(|horizon_ms| *horizon_ms > pass.now_ms);
                match sieve.pass(batch).map_err(invalid)? {
                    Left::All => writer.push(header, batch.bytes(), horizon_ms)?,
                    Left::Some(bytes) => {
                        is_changed = true;
                        let rewritten = Batch::parse_front(&bytes).map_err(invalid)?;
                        let header = rewritten.header();
                        let new_horizon =
                            header.delete_horizon_ms().filter(|_| old_horizon.is_none());
                        writer.push(header, &bytes, horizon_ms.or(new_horizon))?;
                    }
                    Left::Nothing => is_changed = true,
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let aborted = old.iter().flat_map(|segment| segment.aborted.clone());
        let sealed = Seal::read(disk, dir, last.base).map_err(io::Error::other)?;
        let seal = writer.finish(disk, dir, last.next, aborted, &sealed.producers)?;
        Ok((seal, is_changed))
    }

    /// Puts the new segment in the place of the old ones; false where those are gone.
    fn swap(&self, pending: Pending, cleaned_to: Offset) -> io::Result<bool> {
        let _alone = self.start_moves.lock();
        let disk = &*self.environment.disk;
        // The waiting files must not be lost once the facts tell of them.
        disk.sync_dir(&self.dir)?;
        let facts = {
            let state = self.state.lock();
            if state.position_of(&pending.old).is_none() || state.health != Health::Healthy {
                return Ok(false);
            }
            let cleaned_to = state.facts.cleaned_to.max(cleaned_to);
            Durable { cleaned_to, swap: Some(pending.swap.clone()), ..state.facts.clone() }
        };
        if let Err(error) = facts.write(disk, &self.dir) {
            self.compaction.lock().is_halted = true;
            return Err(error);
        }
        self.state.lock().facts = facts;
        self.compaction.lock().pending = Some(pending);
        self.finish_swap()?;
        Ok(true)
    }

    /// Carries a swap through that the facts tell of; `start_moves` must be held.
    pub(super) fn finish_swap(&self) -> io::Result<()> {
        let mut compaction = self.compaction.lock();
        let Some(pending) = &compaction.pending else { return Ok(()) };
        pending.swap.carry_on(&*self.environment.disk, &self.dir)?;
        let mut state = self.state.lock();
        if let Some(at) = state.position_of(&pending.old) {
            let replaced = at..at + pending.old.len();
            state.segments.splice(replaced, [pending.fresh.clone()]);
        }
        // On disk the swap is forgotten with the next news: until then it is carried on in vain.
        state.facts.swap = None;
        drop(state);
        compaction.pending = None;
        Ok(())
    }

    fn end_pass(&self, end: Offset) -> io::Result<()> {
        let _alone = self.start_moves.lock();
        let facts = {
            let state = self.state.lock();
            let cleaned_to = state.facts.cleaned_to.max(end);
            Durable { cleaned_to, ..state.facts.clone() }
        };
        facts.write(&*self.environment.disk, &self.dir)?;
        self.state.lock().facts = facts;
        Ok(())
    }
}

impl State {
    /// Where the segments stand among the closed ones, if they all still do.
    fn position_of(&self, segments: &[Arc<Segment>]) -> Option<usize> {
        let first = segments.first()?;
        let at = self.segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let found = self.segments.get(at..at + segments.len())?;
        found.iter().zip(segments).all(|(one, other)| Arc::ptr_eq(one, other)).then_some(at)
    }
}

/// The closed segments from the first one on that are sealed.
fn sealed(state: &State) -> impl Iterator<Item = &Arc<Segment>> {
    state.segments.iter().take_while(|segment| segment.is_sealed())
}

fn invalid(error: crate::batch::BatchError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Takes note of a batch's keys; returns the offset of the first record without room.
fn note_keys(
    keys: &mut KeyMap,
    batch: &Batch<'_>,
    pass: &Pass,
    reader: &mut RecordReader,
) -> io::Result<Option<Offset>> {
    let header = batch.header();
    let is_aborted =
        header.attributes.is_transactional() && pass.aborted.iter().any(|it| it.covers(header));
    if header.attributes.is_control() || is_aborted || header.next_offset() <= pass.cleaned_to {
        return Ok(None);
    }
    for record in reader.records(batch).map_err(invalid)? {
        let record = record.map_err(invalid)?;
        let Some(key) = record.key.filter(|_| record.offset >= pass.cleaned_to) else { continue };
        if !keys.put(key, record.offset) {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}
