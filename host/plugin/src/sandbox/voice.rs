//! What all instances of an operator share when they speak: a name, an allowance, and metrics.

use std::sync::Arc;

use super::log_allowance::LogAllowance;
use super::metrics::Metrics;
use crate::limits::Limits;

/// Whose words and numbers they are, and how many may still come.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    pub(crate) plugin: Arc<str>,
    pub(crate) operator: Arc<str>,
    pub(crate) allowance: Arc<LogAllowance>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Voice {
    pub(crate) fn new(plugin: &str, operator: &str, limits: &Limits) -> Self {
        Self {
            plugin: plugin.into(),
            operator: operator.into(),
            allowance: Arc::new(LogAllowance::new(limits.log_lines_per_second_max)),
            metrics: Arc::default(),
        }
    }
}
