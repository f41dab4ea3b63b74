//! Plans of batches, for sinks outside the log: written before such a sink runs, so that a batch
//! which must run again runs over the same records.
//! **A plan is written once**: a second attempt at the same batch finds it and must follow it.
//!
//! A file is one line of JSON and one line `crc32 <8 hexadecimal digits>` over the first.

use serde_json::Value;

use super::error::{CheckpointError, Damage};
use super::store::CheckpointStore;

/// A plan names offsets of partitions; this is far more than it needs.
const PLAN_BYTES_MAX: u64 = 64 << 20;
const TRAILER: &str = "\ncrc32 ";

impl CheckpointStore {
    /// Writes the plan of a batch. Durable on return. Writing the same plan again is fine.
    /// # Errors
    /// [`CheckpointError::Exists`] if another plan of this batch is there: load and follow that one.
    pub async fn save_plan(&self, batch: u64, plan: &Value) -> Result<(), CheckpointError> {
        // A `Value` prints without line breaks, and the same value prints the same.
        let json = plan.to_string();
        let crc = crc32fast::hash(json.as_bytes());
        let file = format!("{json}{TRAILER}{crc:08x}\n");
        self.create(&self.plan_path(batch), file.into()).await
    }

    /// The plan of a batch, if one was written.
    /// # Errors
    /// [`CheckpointError::Damaged`] if it is not what was written.
    pub async fn load_plan(&self, batch: u64) -> Result<Option<Value>, CheckpointError> {
        let path = self.plan_path(batch);
        let Some(bytes) = self.fetch_if_there(&path, PLAN_BYTES_MAX).await? else {
            return Ok(None);
        };
        let (json, crc) = split(&bytes).ok_or_else(|| self.damaged(&path, Damage::Trailer))?;
        self.check_crc(&path, crc, json)?;
        let plan = serde_json::from_slice(json);
        plan.map(Some).map_err(|error| self.damaged(&path, Damage::Json(error)))
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let at = bytes.len().checked_sub(TRAILER.len() + 8 + 1)?;
    let (json, trailer) = bytes.split_at_checked(at)?;
    let digits = std::str::from_utf8(trailer).ok()?.strip_prefix(TRAILER)?.strip_suffix('\n')?;
    Some((json, u32::from_str_radix(digits, 16).ok()?))
}
