//! How many lines an operator may write in a second.
//! **What is left out is counted, and told in one line** once the second is over.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;

const SECOND: Duration = Duration::from_secs(1);

/// The allowance of one operator, all its instances together.
#[derive(Debug)]
pub(crate) struct LogAllowance {
    lines_max: u32,
    clock: Stopwatch,
    second: Mutex<Second>,
}

/// The second that is running.
#[derive(Debug, Default)]
struct Second {
    began: Duration,
    lines: u32,
    /// Left out in this second.
    dropped: u64,
    /// Left out so far.
    dropped_total: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// It may be written.
    pub(crate) written: bool,
    /// So many lines were left out in a second that has ended; to be told now.
    pub(crate) left_out: u64,
}

impl LogAllowance {
    pub(crate) fn new(lines_max: u32) -> Self {
        Self { lines_max, clock: Stopwatch::start(), second: Mutex::default() }
    }

    /// One more line.
    pub(crate) fn admit(&self) -> Admission {
        self.second.lock().admit(self.clock.elapsed(), self.lines_max)
    }

    /// How many lines are still to be told as left out, if their second is over.
    pub(crate) fn settle(&self) -> u64 {
        self.second.lock().turn(self.clock.elapsed())
    }

    pub(crate) fn dropped_total(&self) -> u64 {
        self.second.lock().dropped_total
    }
}

impl Second {
    fn admit(&mut self, now: Duration, lines_max: u32) -> Admission {
        let left_out = self.turn(now);
        let written = self.lines < lines_max;
        if written {
            self.lines += 1;
        } else {
            self.dropped += 1;
            self.dropped_total += 1;
        }
        Admission { written, left_out }
    }

    /// Begins a new second if the old one is over; gives back what that one left out.
    fn turn(&mut self, now: Duration) -> u64 {
        if now.saturating_sub(self.began) < SECOND {
            return 0;
        }
        self.began = now;
        self.lines = 0;
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_the_rest_is_told_once() {
        let mut second = Second::default();
        let rows = [
            (0, true, 0),
            (1, true, 0),
            (2, false, 0),
            (999, false, 0),
            // A new second: the old one's excess is told with the first line, and not again.
            (1_000, true, 2),
            (1_500, true, 0),
            (1_999, false, 0),
            (5_000, true, 1),
            (9_000, true, 0),
        ];
        for (now_ms, written, left_out) in rows {
            let admitted = second.admit(Duration::from_millis(now_ms), 2);
            assert_eq!(admitted, Admission { written, left_out }, "at {now_ms} ms");
        }
        assert_eq!(second.dropped_total, 3);
        assert_eq!(second.turn(Duration::from_secs(20)), 0);
    }

    #[test]
    fn an_allowance_of_nothing_drops_all() {
        let mut second = Second::default();
        assert!(!second.admit(Duration::ZERO, 0).written);
    }
}
