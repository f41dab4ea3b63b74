//! Why a call into a plugin failed, and where.
//! **A [`CallError`] always names plugin, digest, operator, pipeline, batch and task**: it is what a
//! person sees when a pipeline stops.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::check::ResultFault;
use crate::digest::Digest;
use crate::instance::StartError;

/// The call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    /// The plugin's own name.
    pub plugin: String,
    /// The plugin's own version.
    pub version: String,
    /// The plugin's digest.
    pub digest: Digest,
    /// The operator's name in its pipeline.
    pub operator: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The batch.
    pub batch: u64,
    /// The task.
    pub task: u32,
    /// The function of the contract that was called.
    pub function: &'static str,
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, version, digest, operator, pipeline, batch, task, function } = self;
        write!(
            f,
            "call `{function}` of plugin `{plugin}` {version} ({digest}) in operator `{operator}` \
             of pipeline `{pipeline}`, batch {batch}, task {task}"
        )
    }
}

/// A call that failed; nothing of its result may be used.
#[derive(Debug, Error)]
#[error("{site}")]
pub struct CallError {
    /// Which call.
    pub site: Box<CallSite>,
    /// What went wrong.
    #[source]
    pub fault: CallFault,
    /// How long the call took, without the reader of the result.
    pub took: Duration,
}

/// What went wrong in a call.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallFault {
    /// The guest trapped.
    #[error("the plugin trapped: {reason}")]
    Trap {
        /// The kind of trap.
        reason: String,
        /// The guest's stack, one function a line, innermost first; bounded.
        backtrace: String,
    },
    /// The guest ran longer than a call may.
    #[error("the call took longer than {}", show(*limit))]
    Timeout {
        /// The operator's limit.
        limit: Duration,
    },
    /// The guest asked for more memory or table space than the operator has.
    #[error("the plugin ran out of its {what} of {limit}")]
    OutOfMemory {
        /// What ran out.
        what: Resource,
        /// The operator's limit: bytes of memory, elements of tables.
        limit: usize,
    },
    /// The guest ended itself by `exit`.
    #[error("the plugin called exit with status {status}")]
    Exit {
        /// Its exit status.
        status: u8,
    },
    /// The guest returned something that breaks the contract.
    #[error("the plugin returned a malformed result")]
    BadResult(#[from] ResultFault),
    /// The guest broke the canonical ABI, for example by a list outside of its memory.
    #[error("the plugin broke the component ABI: {reason}")]
    BadAbi {
        /// What it did.
        reason: String,
    },
    /// The guest returned more than a call may.
    #[error("the plugin returned {bytes} bytes, above the limit of {limit} a call")]
    OutputTooLarge {
        /// Bytes returned, with those that emitted records inherit.
        bytes: u64,
        /// The operator's limit.
        limit: usize,
    },
    /// The plugin itself said that the call failed.
    #[error("the plugin failed: {message}")]
    Failed {
        /// The plugin's word that trying the same batch again may help.
        retryable: bool,
        /// The plugin's message, bounded.
        message: String,
    },
    /// No instance could be started for the call.
    #[error("start an instance of the plugin")]
    Start(#[from] StartError),
    /// The plugin's world does not have this function.
    #[error("a plugin of the world `{world}` has no such function")]
    NotInWorld {
        /// The plugin's world.
        world: crate::world::World,
    },
    /// The plugin does not read state of older versions.
    #[error("the plugin does not export `migrate`")]
    NoMigration,
}

/// What a guest can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Linear memory, in bytes, all memories together.
    Memory,
    /// Elements of one table.
    Table,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory (bytes)",
            Self::Table => "table (elements)",
        })
    }
}

impl CallError {
    /// True where trying the same batch again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.fault.is_retryable()
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.fault.hint()
    }
}

impl CallFault {
    /// True where trying the same batch again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed { retryable, .. } => *retryable,
            Self::Start(error) => error.is_retryable(),
            // The guest is deterministic, but the machine's load is not.
            Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::Timeout { .. } => "timeout",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Exit { .. } => "exit",
            Self::BadResult(_) => "malformed-result",
            Self::BadAbi { .. } => "broken-abi",
            Self::OutputTooLarge { .. } => "output-too-large",
            Self::Failed { .. } => "failed",
            Self::Start(_) => "start",
            Self::NotInWorld { .. } => "not-in-world",
            Self::NoMigration => "no-migration",
        }
    }

    /// True where one record of the call may be the cause, so that the call may succeed without it.
    #[must_use]
    pub fn may_be_of_a_record(&self) -> bool {
        !matches!(self, Self::Start(_) | Self::NotInWorld { .. } | Self::NoMigration)
    }

    /// The guest's stack where it stopped, one function a line, innermost first; bounded.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        match self {
            Self::Trap { backtrace, .. } if !backtrace.is_empty() => Some(backtrace),
            _ => None,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Trap { .. } => {
                "the plugin has a bug or met a record that it cannot handle; its own log may say more"
            }
            Self::Timeout { .. } => {
                "raise `limits.call` if the plugin is only slow; otherwise it loops on some record"
            }
            Self::OutOfMemory { what: Resource::Memory, .. } => "raise `limits.memory`",
            Self::OutOfMemory { what: Resource::Table, .. } => {
                "the plugin fills its function table without end"
            }
            Self::Exit { .. } => "a plugin must return a `failure` instead of calling exit",
            Self::BadResult(_) | Self::BadAbi { .. } => {
                "use one of the plugin SDKs, which fill columns correctly"
            }
            Self::OutputTooLarge { .. } => {
                "raise `limits.output_bytes`, or have the plugin emit less for each record"
            }
            Self::NoMigration => {
                "use a version of the plugin that reads older state, or the one that wrote it"
            }
            Self::Failed { .. } => return None,
            Self::Start(error) => return error.hint(),
            Self::NotInWorld { world } => {
                return Some(format!("use the plugin where a {world} is expected"));
            }
        };
        Some(hint.to_owned())
    }
}

/// A duration for people: `500ms`, `2s`.
pub(crate) fn show(duration: Duration) -> String {
    format!("{duration:?}")
}
