//! How fast a connection is answered while it reads what has piled up.
//!
//! **Whoever is answered faster than its application works may read more slowly for it.**
//! librdkafka asks for more until its queue is full, and then not for a whole second, although
//! the application has emptied the queue long before. So a client that has paused is given
//! what it seems to bear: see `docs/decisions/0014`.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

/// A second, as librdkafka pauses (`fetch.queue.backoff.ms`), earlier or later.
const PAUSES: Range<Duration> = Duration::from_millis(500)..Duration::from_millis(1500);
/// Nobody is given less, in bytes a second.
const RATE_MIN: f64 = 32.0 * 1024.0 * 1024.0;
/// Then it is found out anew: the application may have become faster.
const HELD: Duration = Duration::from_secs(30);

/// The pace of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    run: Option<Run>,
    held: Option<Held>,
}

/// Responses without a pause in between.
#[derive(Debug)]
struct Run {
    began: Instant,
    last: Instant,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    bytes_per_second: f64,
    until: Instant,
}

impl Pace {
    /// Notes that the client asks; returns when to answer, where that is not at once.
    pub(super) fn asked(&mut self, now: Instant) -> Option<Instant> {
        if let Some(run) = &self.run {
            let pause = now.saturating_duration_since(run.last);
            if PAUSES.contains(&pause)
                && let Some(bytes_per_second) = run.rate(now)
            {
                self.held = Some(Held { bytes_per_second, until: now + HELD });
            }
            if pause >= PAUSES.start {
                self.run = None;
            }
        }
        if self.held.is_some_and(|held| now >= held.until) {
            (self.run, self.held) = (None, None);
        }
        let (run, held) = (self.run.as_ref()?, self.held?);
        let due = run.began + Duration::from_secs_f64(run.bytes as f64 / held.bytes_per_second);
        (due > now).then_some(due)
    }

    /// Notes a response, and whether the client knows from it that there is more.
    pub(super) fn answered(&mut self, bytes: usize, has_more: bool, now: Instant) {
        if !has_more {
            // It waits for records, not for its application.
            self.run = None;
            return;
        }
        let run = self.run.get_or_insert(Run { began: now, last: now, bytes: 0 });
        run.last = now;
        run.bytes = run.bytes.saturating_add(bytes);
    }
}

impl Run {
    /// What a client that paused until `now` bears: more than it took on average with the
    /// pause, less than it took without. Their geometric mean is as far from the one as from the
    /// other.
    fn rate(&self, now: Instant) -> Option<f64> {
        let without_pause = self.last.saturating_duration_since(self.began).as_secs_f64();
        let with_pause = now.saturating_duration_since(self.began).as_secs_f64();
        let rate = self.bytes as f64 / (without_pause * with_pause).sqrt();
        (without_pause > 0.0).then_some(rate.max(RATE_MIN))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a response carries: a megabyte, which is librdkafka's most for a partition.
    const RESPONSE_RECORDS: f64 = 10_000.0;
    const RESPONSE_BYTES: usize = 1_000_000;

    /// A client that pauses when its queue is full, and its application.
    struct Client {
        /// Records a second.
        application: f64,
        /// From a response to the next request: it is parsed meanwhile.
        parsing: Duration,
        queue_max: f64,
        pause: Duration,
    }

    const LIBRDKAFKA: Client = Client {
        application: 700_000.0,
        parsing: Duration::from_millis(2),
        queue_max: 100_000.0,
        pause: Duration::from_secs(1),
    };

    impl Client {
        /// How long it takes to read `responses`, and how many of them had to wait.
        fn read(&self, responses: usize, mut pace: Option<Pace>) -> (Duration, usize) {
            let start = Instant::now();
            let (mut now, mut queued, mut held_back) = (start, 0.0_f64, 0);
            for left in (0..responses).rev() {
                if let Some(due) = pace.as_mut().and_then(|pace| pace.asked(now)) {
                    queued -= self.application * (due - now).as_secs_f64();
                    (now, held_back) = (due, held_back + 1);
                }
                if let Some(pace) = &mut pace {
                    pace.answered(RESPONSE_BYTES, left > 0, now);
                }
                let is_full = queued >= self.queue_max;
                let busy = if is_full { self.pause } else { self.parsing };
                queued = (queued - self.application * busy.as_secs_f64()).max(0.0);
                (now, queued) = (now + busy, queued + RESPONSE_RECORDS);
            }
            (now - start, held_back)
        }
    }

    #[test]
    fn a_client_that_pauses_reads_a_backlog_in_less_than_half_the_time() {
        for application in [400_000.0, 700_000.0, 1_500_000.0, 2_500_000.0] {
            let client = Client { application, ..LIBRDKAFKA };
            let ((free, _), (paced, _)) =
                (client.read(1_000, None), client.read(1_000, Some(Pace::default())));
            assert!(paced * 2 < free, "{application}: {paced:?} instead of {free:?}");
        }
    }

    #[test]
    fn who_does_not_pause_is_not_held_back() {
        let fast = Client { application: 10_000_000.0, ..LIBRDKAFKA };
        assert_eq!(fast.read(1_000, Some(Pace::default())).1, 0);
        // Its own pauses are of other lengths.
        for pause in [Duration::from_millis(400), Duration::from_secs(2)] {
            let other = Client { pause, ..LIBRDKAFKA };
            assert_eq!(other.read(1_000, Some(Pace::default())).1, 0);
        }
    }

    #[test]
    fn who_waits_for_records_does_not_pause() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for second in 0..100 {
            let at = start + Duration::from_secs(second);
            assert_eq!(pace.asked(at), None);
            pace.answered(RESPONSE_BYTES, false, at);
        }
    }

    #[test]
    fn after_a_while_it_is_found_out_anew() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut ask_after = |pause: u64| {
            now += Duration::from_millis(pause);
            let due = pace.asked(now);
            now = due.unwrap_or(now);
            pace.answered(RESPONSE_BYTES, true, now);
            (now, due.is_some())
        };
        ask_after(0);
        assert!(!ask_after(2).1);
        let (paused, _) = ask_after(1_000);
        while let (now, true) = ask_after(2) {
            assert!(now < paused + HELD * 2, "held for ever");
        }
        assert!(ask_after(0).0 >= paused + HELD, "given up early");
        assert!((0..1_000).all(|_| !ask_after(2).1), "free again");
    }

    proptest! {
        /// Whatever the application, the queue and the client: it costs next to nothing.
        #[test]
        fn nobody_reads_more_slowly(
            application in 1_000.0..20_000_000.0_f64,
            parsing in 1..20_000_u64,
            queue_max in 10_000.0..2_000_000.0_f64,
            pause in 100..3_000_u64,
        ) {
            let (parsing, pause) = (Duration::from_micros(parsing), Duration::from_millis(pause));
            let client = Client { application, parsing, queue_max, pause };
            let ((free, _), (paced, _)) =
                (client.read(3_000, None), client.read(3_000, Some(Pace::default())));
            let in_memory = Duration::from_secs_f64(queue_max / application);
            prop_assert!(paced <= free.mul_f64(1.1) + in_memory, "{paced:?} instead of {free:?}");
        }
    }
}
