//! A pipeline beside the hostile one, and how fast it is.

use std::time::Duration;

use crate::harness::{AVAILABLE_NOW, Host, now, pipeline};

const RECORDS: usize = 20_000;

/// The time that it takes alone.
pub struct Neighbour {
    alone: Duration,
}

impl Neighbour {
    /// Fills its topic, and takes its time: the median of some.
    pub fn settle(host: &Host) -> Neighbour {
        host.run(&["topic", "create", "neighbours"]).ok();
        let lines = "a line of the neighbour's, neither long nor short\n".repeat(RECORDS);
        host.run_with(&["produce", "neighbours"], lines.as_bytes()).ok();
        let mut alone: Vec<Duration> = (0..5).map(|_| time(host)).collect();
        alone.sort();
        Neighbour { alone: alone[2] }
    }

    /// Its speed now, as a share of that alone.
    pub fn ratio(&self, host: &Host) -> f64 {
        self.alone.as_secs_f64() / time(host).as_secs_f64()
    }
}

/// From its start to its end, with all records through it.
fn time(host: &Host) -> Duration {
    let text = pipeline("neighbour", AVAILABLE_NOW, "neighbours", "upper-case", "shouted");
    let started = now();
    host.apply(&text).ok();
    let status = host.wait_for_state("neighbour", "finished");
    let took = started.elapsed();
    assert_eq!(status["inputRows"], RECORDS);
    host.run(&["pipeline", "delete", "neighbour"]).ok();
    host.run(&["topic", "delete", "shouted"]).ok();
    took
}
