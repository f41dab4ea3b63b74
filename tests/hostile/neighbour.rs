//! A pipeline beside the hostile one that takes a steady load, and how well it keeps up.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::harness::{EVERY_20_MS, Host, command, pipeline, request_json};

/// The load: so many lines, so often.
const LINES: usize = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// How long it is watched. The host keeps the progress of more batches than fall into it.
const WINDOW: Duration = Duration::from_secs(1);

/// How often it is watched, at most.
const ATTEMPTS: usize = 3;

/// Runs alone until [`Neighbour::beside`].
pub struct Neighbour {
    feeder: Child,
    stop: Arc<AtomicBool>,
    alone: Seen,
}

/// What it did in a window.
struct Seen {
    records: f64,
    /// The median of its batches.
    batch_ms: f64,
}

/// As shares of what it does alone.
pub struct Beside {
    pub records: f64,
    pub batch_time: f64,
}

impl Neighbour {
    /// Starts the load and the pipeline, and watches it alone.
    pub fn settle(host: &Host) -> Neighbour {
        host.run(&["topic", "create", "neighbours"]).ok();
        let mut produce = command(&["produce", "neighbours"]);
        produce.env("TIDEMILL_HOST", host.address()).stdout(Stdio::null()).stdin(Stdio::piped());
        let mut feeder = produce.spawn().unwrap();
        let mut lines = feeder.stdin.take().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            let load = "a line of the neighbour's, neither long nor short\n".repeat(LINES);
            while !stopped.load(Relaxed) && lines.write_all(load.as_bytes()).is_ok() {
                thread::sleep(PAUSE);
            }
        });
        host.apply(&pipeline("neighbour", EVERY_20_MS, "neighbours", "upper-case", "shouted")).ok();
        host.wait_for_state("neighbour", "running");
        thread::sleep(WINDOW);
        let alone = seen(host);
        Neighbour { feeder, stop, alone }
    }

    /// What it does while `harm` is done to the host again and again.
    ///
    /// # Panics
    /// It stood still, and not only once, as a busy machine may.
    pub fn beside(&self, host: &Host, harm: impl Fn() + Sync) -> Beside {
        let mut watched = (0..ATTEMPTS).map(|_| self.watched(host, &harm));
        watched.find(|beside| beside.records >= 0.5).expect("the neighbour stands still")
    }

    fn watched(&self, host: &Host, harm: impl Fn()) -> Beside {
        let over = AtomicBool::new(false);
        let seen = thread::scope(|threads| {
            let watched = threads.spawn(|| {
                let _over = Over(&over);
                seen(host)
            });
            while !over.load(Relaxed) {
                harm();
            }
            watched.join().unwrap()
        });
        Beside {
            records: seen.records / self.alone.records,
            batch_time: seen.batch_ms / self.alone.batch_ms,
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // It ends with its input.
        let _ = self.feeder.wait();
    }
}

/// Tells it also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn seen(host: &Host) -> Seen {
    let from = unix_ms();
    thread::sleep(WINDOW);
    let to = from + WINDOW.as_millis() as i64;
    let (status, batches) =
        request_json(host, "GET", "/api/v1/pipelines/neighbour/progress", "", "");
    assert_eq!(status, 200, "{batches}");
    let batches: Vec<&Value> = batches["progress"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|batch| (from..to).contains(&batch["timestamp"].as_i64().unwrap()))
        .collect();
    let mut times: Vec<f64> = batches
        .iter()
        .map(|batch| batch["durationMs"]["triggerExecution"].as_f64().unwrap())
        .collect();
    times.sort_by(f64::total_cmp);
    Seen {
        records: batches.iter().map(|batch| batch["numInputRows"].as_f64().unwrap()).sum(),
        batch_ms: times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY),
    }
}

#[allow(clippy::disallowed_methods, reason = "compared with what the host says")]
fn unix_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}
