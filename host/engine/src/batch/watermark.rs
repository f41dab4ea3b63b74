//! Watermarks: how far event time has come, and so which windows are closed.
//!
//! An input is one partition of a source, or another reducer. Its event time is the highest that
//! reached the reducer. The reducer's watermark is the lowest of its inputs less the delay;
//! **it never falls**. An input without records for a while is set aside, so that a quiet partition
//! does not hold the others up.
//!
//! In batch N records are late by the watermark of batch N−1, and windows close by that of batch N,
//! which knows the records up to batch N−1 (as in Spark).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkpoint::OperatorWatermark;

/// An input without records for this long, by batch time, is set aside.
pub const IDLE_AFTER_MS: i64 = 10_000;

/// What a reducer knows of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputClock {
    /// The highest event time that came from it.
    pub event_time: Option<i64>,
    /// The batch time when it last sent something, or was first waited for.
    pub heard_at_ms: i64,
}

/// A reducer's watermark and what it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatermarkState {
    /// By name of the input.
    pub inputs: BTreeMap<String, InputClock>,
    /// The watermark of the last batch.
    pub current: Option<i64>,
}

/// The two watermarks that a batch runs under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    /// Records of windows that have all ended by this one are late: the batch before's.
    pub late: Option<i64>,
    /// Windows that end by this one are emitted and dropped: this batch's.
    pub evict: Option<i64>,
}

impl WatermarkState {
    /// As it was at a checkpoint, whose inputs count as heard at `time_ms`.
    #[must_use]
    pub fn from_manifest(saved: &OperatorWatermark, time_ms: i64) -> Self {
        let heard =
            |event_time: &i64| InputClock { event_time: Some(*event_time), heard_at_ms: time_ms };
        let inputs =
            saved.inputs.iter().map(|(name, event_time)| (name.clone(), heard(event_time)));
        Self { inputs: inputs.collect(), current: saved.current_ms }
    }

    /// As a checkpoint keeps it.
    #[must_use]
    pub fn to_manifest(&self) -> OperatorWatermark {
        let heard =
            self.inputs.iter().filter_map(|(name, clock)| Some((name.clone(), clock.event_time?)));
        OperatorWatermark { current_ms: self.current, inputs: heard.collect() }
    }

    /// Waits for `input`, if it did not yet.
    pub fn expect(&mut self, input: &str, time_ms: i64) {
        if !self.inputs.contains_key(input) {
            self.inputs
                .insert(input.to_owned(), InputClock { event_time: None, heard_at_ms: time_ms });
        }
    }

    /// Takes note of an event time that came from `input`.
    pub fn hear(&mut self, input: &str, event_time: i64, time_ms: i64) {
        let clock = self
            .inputs
            .entry(input.to_owned())
            .or_insert(InputClock { event_time: None, heard_at_ms: time_ms });
        clock.event_time = clock.event_time.max(Some(event_time));
        clock.heard_at_ms = time_ms;
    }

    /// The watermarks of the next batch. `drained` says that an input has nothing unread and will
    /// get nothing more.
    #[must_use]
    pub fn next(&self, delay_ms: i64, time_ms: i64, drained: impl Fn(&str) -> bool) -> Watermarks {
        let idle = |clock: &InputClock| time_ms.saturating_sub(clock.heard_at_ms) >= IDLE_AFTER_MS;
        let (aside, waited_for): (Vec<_>, Vec<_>) =
            self.inputs.iter().partition(|(name, clock)| idle(clock) || drained(name));
        let lowest = if waited_for.is_empty() {
            Self::lowest_of_last_heard(aside.into_iter().map(|(_, clock)| clock))
        } else {
            waited_for.into_iter().map(|(_, clock)| clock.event_time).min().flatten()
        };
        let lowest = lowest.map(|event_time| event_time.saturating_sub(delay_ms));
        Watermarks { late: self.current, evict: self.current.max(lowest) }
    }

    /// Where every input is set aside (the interval is long, or all is read), those that spoke last decide.
    fn lowest_of_last_heard<'a>(clocks: impl Iterator<Item = &'a InputClock>) -> Option<i64> {
        let heard = clocks.filter_map(|clock| Some((clock.heard_at_ms, clock.event_time?)));
        heard
            .min_by_key(|(at, event_time)| (std::cmp::Reverse(*at), *event_time))
            .map(|(_, time)| time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(inputs: &[(&str, Option<i64>, i64)], current: Option<i64>) -> WatermarkState {
        let inputs = inputs.iter().map(|(name, event_time, heard_at_ms)| {
            ((*name).to_owned(), InputClock { event_time: *event_time, heard_at_ms: *heard_at_ms })
        });
        WatermarkState { inputs: inputs.collect(), current }
    }

    #[test]
    fn the_slowest_input_decides() {
        let both = state(&[("a", Some(100), 0), ("b", Some(70), 0)], None);
        assert_eq!(both.next(10, 0, |_| false), Watermarks { late: None, evict: Some(60) });
        let silent = state(&[("a", Some(100), 0), ("b", None, 0)], None);
        assert_eq!(silent.next(10, 0, |_| false).evict, None);
    }

    #[test]
    fn an_idle_or_drained_input_is_set_aside() {
        let silent = state(&[("a", Some(100), IDLE_AFTER_MS), ("b", None, 0)], Some(5));
        assert_eq!(
            silent.next(10, IDLE_AFTER_MS, |_| false),
            Watermarks { late: Some(5), evict: Some(90) }
        );
        assert_eq!(silent.next(10, 0, |name| name == "b").evict, Some(90));
    }

    #[test]
    fn where_all_are_set_aside_those_heard_last_decide() {
        let cron = state(&[("a", Some(100), 50), ("b", Some(70), 50), ("c", Some(9), 3)], None);
        assert_eq!(cron.next(10, 50, |_| true).evict, Some(60));
        assert_eq!(cron.next(10, 50 + IDLE_AFTER_MS, |_| false).evict, Some(60));
    }

    #[test]
    fn a_watermark_never_falls() {
        let back = state(&[("a", Some(100), 0), ("b", Some(20), 0)], Some(90));
        assert_eq!(back.next(0, 0, |_| false), Watermarks { late: Some(90), evict: Some(90) });
        assert_eq!(state(&[], Some(90)).next(0, 0, |_| true).evict, Some(90));
    }
}
