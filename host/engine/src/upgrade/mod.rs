//! Other plugins for a pipeline that runs, between two batches.
//!
//! What is to run is a [`Versions`]. It is loaded, compiled and configured beside what runs
//! ([`Graph::with_versions`](crate::graph::Graph::with_versions)); then the driver holds at a [`Boundary`]: every
//! batch before it has committed, none behind it is planned, and state has been rewritten by the new plugin's
//! `migrate` ([`migrate`]). The host saves what it wants from now on and lets the pipeline pass.
//! **A crash at any point leaves each batch to exactly one version**: the saved one runs whatever has not committed.
//!
//! A [`canary`] is called with everything that its operator is called with, and what it gives back is compared and
//! dropped. Since a plugin is a function from columns to columns, that is all there is to compare.

pub mod boundary;
pub mod canary;
mod compare;
pub mod migrate;
mod versions;

pub use boundary::{Boundary, Switch, SwitchError};
pub use canary::{Canary, CanaryStatus, Sample, SampleRecord};
pub use versions::{CanaryPin, Pin, Restore, Versions};
