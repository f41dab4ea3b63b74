//! Windows as panes: which pane a record falls into, which windows a watermark closes.
//!
//! A pane is the greatest common divisor of size and slide, so a window is a whole number of
//! panes and a record is folded once, however many windows it falls into. Windows begin at
//! multiples of the slide since 1970-01-01 UTC; the start is inside, the end is not.
//! **A window is emitted once**: when the watermark passes its end.

use std::collections::BTreeSet;

use tidemill_plugin::Window;

/// The key of the only pane of running totals.
pub const RUNNING: i64 = 0;

/// A window's measures, in milliseconds, and the pane they make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windowing {
    size: i64,
    slide: i64,
    pane: i64,
}

impl Windowing {
    /// Windows of `size_ms` that begin every `slide_ms`.
    ///
    /// # Panics
    /// If one of them is not positive or the slide is above the size: the pipeline file was checked.
    #[must_use]
    pub fn new(size_ms: i64, slide_ms: i64) -> Self {
        assert!(0 < slide_ms && slide_ms <= size_ms, "window of {size_ms} ms every {slide_ms} ms");
        Self { size: size_ms, slide: slide_ms, pane: greatest_common_divisor(size_ms, slide_ms) }
    }

    /// The start of the pane that `timestamp` falls into.
    #[must_use]
    pub fn pane_of(&self, timestamp: i64) -> i64 {
        floor_to(timestamp, self.pane)
    }

    /// Where the last window that holds the pane ends.
    #[must_use]
    pub fn last_end(&self, pane: i64) -> i64 {
        floor_to(pane, self.slide).saturating_add(self.size)
    }

    /// Whether every window that holds the pane has ended by `watermark`. A record of such a pane is late.
    #[must_use]
    pub fn is_closed(&self, pane: i64, watermark: Option<i64>) -> bool {
        watermark.is_some_and(|watermark| self.last_end(pane) <= watermark)
    }

    /// The windows over `panes` that `after` closes and `before` had not, in order of their start.
    #[must_use]
    pub fn closing(
        &self,
        panes: impl Iterator<Item = i64>,
        before: Option<i64>,
        after: Option<i64>,
    ) -> Vec<Window> {
        let Some(after) = after else { return Vec::new() };
        let starts: BTreeSet<i64> = panes
            .flat_map(|pane| self.starts_over(pane))
            .filter(|start| {
                let end = start.saturating_add(self.size);
                end <= after && before.is_none_or(|before| end > before)
            })
            .collect();
        starts
            .into_iter()
            .map(|start| Window { start, end: start.saturating_add(self.size) })
            .collect()
    }

    /// The starts of the panes of a window, rising.
    pub fn panes_of(&self, window: Window) -> impl Iterator<Item = i64> {
        let pane = self.pane;
        (0..self.size / pane).map(move |index| window.start.saturating_add(index * pane))
    }

    /// The earliest end of a window over `panes` that is still open at `watermark`.
    #[must_use]
    pub fn next_end(
        &self,
        panes: impl Iterator<Item = i64>,
        watermark: Option<i64>,
    ) -> Option<i64> {
        panes
            .flat_map(|pane| self.starts_over(pane))
            .map(|start| start.saturating_add(self.size))
            .filter(|end| watermark.is_none_or(|watermark| *end > watermark))
            .min()
    }

    fn starts_over(&self, pane: i64) -> impl Iterator<Item = i64> + use<> {
        let Self { size, slide, pane: width } = *self;
        let last = floor_to(pane, slide);
        (0..)
            .map(move |back| last.saturating_sub(slide * back))
            .take_while(move |start| start.saturating_add(size) >= pane.saturating_add(width))
            .take(usize::try_from(size / slide + 1).unwrap_or(usize::MAX))
    }
}

impl std::fmt::Display for Windowing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms every {} ms", self.size, self.slide)
    }
}

fn floor_to(value: i64, step: i64) -> i64 {
    value.div_euclid(step).saturating_mul(step)
}

fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(windows: &[Window]) -> Vec<(i64, i64)> {
        windows.iter().map(|window| (window.start, window.end)).collect()
    }

    #[test]
    fn tumbling_windows_hold_one_pane() {
        let windows = Windowing::new(60, 60);
        assert_eq!(windows.pane_of(59), 0);
        assert_eq!(windows.pane_of(60), 60);
        assert_eq!(windows.pane_of(-1), -60);
        assert_eq!(
            spans(&windows.closing([0, 60, 120].into_iter(), None, Some(120))),
            [(0, 60), (60, 120)]
        );
        assert_eq!(
            spans(&windows.closing([0, 60, 120].into_iter(), Some(60), Some(120))),
            [(60, 120)]
        );
        assert!(windows.closing([0].into_iter(), None, None).is_empty());
    }

    #[test]
    fn sliding_windows_share_panes() {
        let windows = Windowing::new(30, 20);
        assert_eq!(windows.pane_of(25), 20);
        assert_eq!(windows.last_end(20), 50);
        assert_eq!(windows.last_end(10), 30);
        // Pane 20 lies in the windows 0..30 and 20..50.
        assert_eq!(
            spans(&windows.closing([20].into_iter(), None, Some(1000))),
            [(0, 30), (20, 50)]
        );
        assert_eq!(
            windows.panes_of(Window { start: 20, end: 50 }).collect::<Vec<_>>(),
            [20, 30, 40]
        );
        assert_eq!(windows.next_end([20].into_iter(), Some(30)), Some(50));
        assert_eq!(windows.next_end([20].into_iter(), Some(50)), None);
    }

    #[test]
    fn a_record_is_late_once_its_last_window_has_ended() {
        let windows = Windowing::new(30, 10);
        assert!(!windows.is_closed(0, None));
        assert!(!windows.is_closed(0, Some(29)));
        assert!(windows.is_closed(0, Some(30)));
    }

    /// Against the definition: window [s, s + size) for every multiple s of the slide.
    #[test]
    fn every_timestamp_is_in_exactly_the_windows_that_hold_it() {
        for (size, slide) in [(60, 60), (60, 20), (30, 20), (50, 15), (7, 3), (1, 1)] {
            let windows = Windowing::new(size, slide);
            for timestamp in -100..100 {
                let pane = windows.pane_of(timestamp);
                let found: Vec<i64> = windows
                    .closing([pane].into_iter(), None, Some(i64::MAX))
                    .iter()
                    .map(|window| window.start)
                    .collect();
                let expected: Vec<i64> = (-300..300)
                    .filter(|start| {
                        start % slide == 0 && (*start..start + size).contains(&timestamp)
                    })
                    .collect();
                assert_eq!(found, expected, "size {size} slide {slide} timestamp {timestamp}");
            }
        }
    }
}
