//! An access log that looks like a real one: Combined Log Format with the request's seconds at the end.
//!
//! **The same seed and start give the same bytes.** Paths and visitors follow Zipf's law, event times cover
//! many minutes, and a part of the lines is out of order by some seconds, as from several web servers.

use chrono::DateTime;
use fastrand::Rng;

use crate::zipf::Zipf;

/// Event time between two lines, on average.
const LINE_GAP_MS: f64 = 12.0;
/// How far behind its place a line may be.
const DISORDER_MS_MAX: u64 = 4_000;
/// One line in so many is out of place.
const DISORDER_EVERY: u32 = 20;

const SECTIONS: [&str; 8] =
    ["products", "search", "cart", "checkout", "account", "images", "api/orders", "help"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "curl/8.14.1",
];
const REFERERS: [&str; 4] = [
    "-",
    "https://www.example.com/",
    "https://search.example.org/?q=tide",
    "https://news.example.net/today",
];

/// Writes lines, one after the other.
pub struct AccessLog {
    random: Rng,
    paths: Zipf,
    visitors: Zipf,
    time_ms: f64,
}

impl AccessLog {
    /// A log that begins at `start_ms` (milliseconds since 1970-01-01 UTC).
    pub fn new(seed: u64, start_ms: i64) -> AccessLog {
        AccessLog {
            random: Rng::with_seed(seed),
            paths: Zipf::new(160, 1.05),
            visitors: Zipf::new(900, 0.8),
            time_ms: start_ms as f64,
        }
    }

    /// How much event time `lines` lines cover.
    pub fn span_ms(lines: u64) -> i64 {
        (lines as f64 * LINE_GAP_MS) as i64
    }

    /// Appends one line with its end.
    pub fn write_line(&mut self, out: &mut Vec<u8>) {
        let random = &mut self.random;
        self.time_ms += LINE_GAP_MS * 2.0 * random.f64();
        let behind =
            if random.u32(..DISORDER_EVERY) == 0 { random.u64(..DISORDER_MS_MAX) } else { 0 };
        let visitor = self.visitors.pick(random.f64());
        let path = self.paths.pick(random.f64());
        let method = if random.u32(..12) == 0 { "POST" } else { "GET" };
        let status = match random.u32(..100) {
            0 => 500,
            1..=3 => 404,
            4..=8 => 304,
            _ => 200,
        };
        let line = format!(
            "10.{}.{}.{} - - [{}] \"{method} {} HTTP/1.1\" {status} {} \"{}\" \"{}\" {}\n",
            visitor % 4,
            visitor / 250,
            visitor % 250 + 1,
            time_text(self.time_ms as i64 - behind as i64),
            path_text(path),
            if status == 304 { 0 } else { 200 + path * 97 % 800 * 32 },
            REFERERS[random.usize(..REFERERS.len())],
            AGENTS[random.usize(..AGENTS.len())],
            seconds_text(latency_ms(path, random)),
        );
        out.extend_from_slice(line.as_bytes());
    }
}

/// A line of the same form, for ending windows: a request at `time_ms` that no visitor sent.
pub fn closing_line(time_ms: i64) -> String {
    format!(
        "127.0.0.1 - - [{}] \"GET /closing HTTP/1.1\" 200 0 \"-\" \"tidemill-demo\" 0.000\n",
        time_text(time_ms)
    )
}

fn path_text(path: usize) -> String {
    if path == 0 { "/".to_owned() } else { format!("/{}/{path}", SECTIONS[path % SECTIONS.len()]) }
}

/// Slow pages are slow for everybody; each request then has its own luck, with a long tail.
fn latency_ms(path: usize, random: &mut Rng) -> u64 {
    let typical = 5.0 + (path * 7919 % 160) as f64;
    let luck = -(1.0 - random.f64()).ln();
    (typical * (0.5 + luck)) as u64
}

fn seconds_text(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// As web servers write it: `22/Nov/2026:06:45:52 +0000`.
fn time_text(time_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(time_ms).unwrap_or_default();
    time.format("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(seed: u64) -> Vec<u8> {
        let mut log = AccessLog::new(seed, 1_700_000_000_000);
        let mut out = Vec::new();
        (0..1000).for_each(|_| log.write_line(&mut out));
        out
    }

    #[test]
    fn a_seed_fixes_every_byte() {
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
    }

    #[test]
    fn a_line_is_in_combined_log_format() {
        let text = String::from_utf8(lines(1)).unwrap();
        assert_eq!(text.lines().count(), 1000);
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("10.")
                && first.contains(" - - [14/Nov/2023:22:13:2")
                && first.contains(" HTTP/1.1\" "),
            "{first}"
        );
        assert_eq!(closing_line(0).lines().count(), 1);
    }
}
