//! Group commit: many appends share one fdatasync.
//!
//! **An append waits for a sync that began after its write.** Whoever finds none under way
//! leads the next one, for everybody who has written by then.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::append::AppendError;
use super::{Health, Partition, Producers};
use crate::disk::DiskFile;
use crate::environment::Blocking;
use crate::identity::Offset;
use crate::segment::{Seal, Segment};

/// How often a leader lets others write before it syncs, as long as some do.
const YIELDS_MAX: usize = 8;

/// Who syncs, and who waits for it.
pub(crate) struct SyncGate {
    leading: Mutex<Leading>,
    /// Counts the rounds that have ended.
    rounds: watch::Sender<u64>,
}

#[derive(Default)]
struct Leading {
    is_led: bool,
    last_sync_ms: i64,
}

impl SyncGate {
    pub(super) fn new(now_ms: i64) -> Self {
        let leading = Leading { is_led: false, last_sync_ms: now_ms };
        Self { leading: Mutex::new(leading), rounds: watch::Sender::new(0) }
    }

    /// Takes the lead, if nobody has it.
    fn try_lead(&self) -> bool {
        let mut leading = self.leading.lock();
        !std::mem::replace(&mut leading.is_led, true)
    }

    fn end_round(&self, now_ms: i64) {
        let mut leading = self.leading.lock();
        leading.is_led = false;
        leading.last_sync_ms = now_ms;
        drop(leading);
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}

/// What one round has to sync.
struct Round {
    files: Vec<Arc<dyn DiskFile>>,
    names: bool,
    end: Offset,
    unsealed: Vec<(Arc<Segment>, Producers)>,
}

impl Partition {
    /// Returns when everything before `end` is durable.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`] where that can no longer be said.
    pub(crate) async fn wait_durable(self: &Arc<Self>, end: Offset) -> Result<(), AppendError> {
        // Subscribed before looking, so that no round is missed.
        let mut rounds = self.gate.rounds.subscribe();
        loop {
            if self.is_durable(end)? {
                return Ok(());
            }
            self.let_others_write().await;
            if self.gate.try_lead() {
                // Begun before the first await: the lead is given back even when this future
                // is dropped.
                let partition = self.clone();
                self.environment.blocking.start(move || partition.run_round()).await;
            } else {
                // The sender lives as long as the partition.
                let _ = rounds.changed().await;
            }
        }
    }

    /// Those who were woken by the last round write first, and share the next.
    async fn let_others_write(&self) {
        if self.environment.blocking == Blocking::Inline {
            return;
        }
        let mut end = self.end();
        for _ in 0..YIELDS_MAX {
            tokio::task::yield_now().await;
            let now = self.end();
            if std::mem::replace(&mut end, now) == now {
                return;
            }
        }
    }

    /// Whether everything before `end` is durable.
    pub(crate) fn is_durable(&self, end: Offset) -> Result<bool, AppendError> {
        let state = self.state.lock();
        if state.durable >= end {
            return Ok(true);
        }
        self.check_health(&state)?;
        Ok(false)
    }

    /// Whether something was written since the last sync.
    pub(super) fn has_unsynced(&self) -> bool {
        let state = self.state.lock();
        state.durable < state.end && state.health == Health::Healthy
    }

    /// Whether appends are taken at all.
    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        self.check_health(&self.state.lock())
    }

    /// Starts a sync in the background where the last one is `interval_ms` ago.
    pub(crate) fn sync_when_due(self: &Arc<Self>, interval_ms: u64) {
        let now_ms = self.environment.clock.now_ms();
        let last_ms = self.gate.leading.lock().last_sync_ms;
        let due = now_ms.saturating_sub(last_ms).unsigned_abs() >= interval_ms;
        // After an error a sync that succeeds proves nothing.
        if due && self.check_writable().is_ok() && self.gate.try_lead() {
            let partition = self.clone();
            drop(self.environment.blocking.start(move || partition.run_round()));
        }
    }

    /// Syncs what has been written so far, then tells everybody.
    fn run_round(&self) {
        let round = self.begin_round();
        let started = self.environment.clock.elapsed();
        let synced = self.sync_files(&round);
        self.metrics.synced(self.environment.clock.elapsed().saturating_sub(started));
        let unsealed = self.finish_round(round, synced);
        self.gate.end_round(self.environment.clock.now_ms());
        // Nobody waits for this.
        for (segment, producers) in unsealed {
            self.seal(&segment, producers);
        }
    }

    fn begin_round(&self) -> Round {
        let mut state = self.state.lock();
        let mut files = std::mem::take(&mut state.unsynced);
        files.extend(state.active.open_file());
        Round {
            files,
            names: std::mem::take(&mut state.names_unsynced),
            end: state.end,
            unsealed: std::mem::take(&mut state.unsealed),
        }
    }

    fn sync_files(&self, round: &Round) -> std::io::Result<()> {
        for file in &round.files {
            file.sync_data()?;
        }
        if round.names {
            self.environment.disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    fn finish_round(
        &self,
        round: Round,
        synced: std::io::Result<()>,
    ) -> Vec<(Arc<Segment>, Producers)> {
        if synced.is_ok() {
            self.note_mark(round.end);
        }
        let mut state = self.state.lock();
        if let Err(error) = synced {
            self.poison(&mut state, &format!("sync: {error}"));
            return Vec::new();
        }
        // A partition that was poisoned meanwhile says nothing new.
        if !matches!(state.health, Health::Poisoned { .. }) {
            state.durable = state.durable.max(round.end);
            state.high_watermark = state.high_watermark.max(round.end);
            self.publish(&state);
        }
        round.unsealed
    }

    /// A mark that is behind is still true, so its errors are only worth a warning.
    fn note_mark(&self, offset: Offset) {
        if let Err(error) = self.mark.lock().note(offset) {
            tracing::warn!(partition = %self.at, %error, "durable mark not written");
        }
    }

    /// Makes the mark itself durable.
    pub(super) fn sync_mark(&self) -> std::io::Result<()> {
        let durable = self.state.lock().durable;
        self.mark.lock().sync(durable)
    }

    /// Writes the seal of a closed segment whose records are durable.
    ///
    /// Without a seal the segment is read through when the log is opened: slower, not wrong.
    pub(super) fn seal(&self, segment: &Segment, producers: Producers) {
        let Some(index) = segment.index() else { return };
        let seal = Seal {
            base: segment.base,
            next: segment.next,
            bytes: segment.bytes,
            crc: segment.crc,
            index: (*index).clone(),
            aborted: segment.aborted.clone(),
            horizon_ms: segment.horizon_ms,
            producers,
        };
        let disk = &*self.environment.disk;
        let written = seal.write(disk, &self.dir).and_then(|()| disk.sync_dir(&self.dir));
        match written {
            Ok(()) => segment.mark_sealed(),
            Err(error) => {
                tracing::warn!(partition = %self.at, base = %segment.base, %error, "segment not sealed");
            }
        }
    }
}
