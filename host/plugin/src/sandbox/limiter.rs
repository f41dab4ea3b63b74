//! Memory and tables of one instance, bounded and measured.
//! **The limit is on all memories of an instance together**, not on each.

use wasmtime::{ResourceLimiter, Result};

use crate::error::Resource;
use crate::limits::Limits;

/// Core instances, tables and memories that one component may be made of. What StarlingMonkey and
/// CPython were seen to need, with room to spare.
const PARTS_MAX: usize = 100;

/// Counts what an instance has, and refuses what is above its limits.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    memory_bytes: usize,
    refused: Option<Resource>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            memory_bytes: 0,
            refused: None,
        }
    }

    /// Bytes of all memories.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// What the guest was refused since the last call of this, with its limit.
    pub(crate) fn take_refusal(&mut self) -> Option<(Resource, usize)> {
        self.refused.take().map(|what| match what {
            Resource::Memory => (what, self.memory_bytes_max),
            Resource::Table => (what, self.table_elements_max),
        })
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let others = self.memory_bytes.saturating_sub(current);
        let total = others.saturating_add(desired);
        if total > self.memory_bytes_max {
            self.refused = Some(Resource::Memory);
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        if desired > self.table_elements_max {
            self.refused = Some(Resource::Table);
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}
