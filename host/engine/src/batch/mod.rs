//! A batch, step by step; the modules are in the order of the steps.
//!
//! 1. [`plan`] what to read (pure), under which [`watermark`]s;
//! 2. [`read`] stored batches into columns;
//! 3. run the stage's [`chain`] of operators, as far as a partial [`fold`] or a [`sink`], and set
//!    [`poison`] aside;
//! 4. [`exchange`] partial folds by key group;
//! 5. merge them into [`state`] and close [`window`]s;
//! 6. publish what changed ([`finish`]);
//! 7. commit, the one moment at which the batch happens;
//! 8. later: compaction and garbage collection, in [`crate::checkpoint`].

pub mod plan;
pub mod watermark;
pub mod read;
pub mod chain;
mod isolate;
pub mod poison;
pub mod columns;
pub mod group;
pub mod fold;
pub mod exchange;
pub mod window;
pub mod state;
pub mod sink;
pub mod finish;
