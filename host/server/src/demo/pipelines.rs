//! The demo's two pipelines, as files that a person could have written.

/// Where the input goes.
pub const LINES_TOPIC: &str = "access-log";
pub const PARTITIONS: u32 = 2;
pub const PAGE_LATENCY: &str = "page-latency";
pub const WORD_COUNT: &str = "word-count";

/// Per path and minute of event time: how many requests, and how long they took.
pub fn page_latency(delay_ms: i64) -> String {
    format!(
        r#"name = "{PAGE_LATENCY}"
batch_interval = "100ms"

[[source]]
name = "lines"
topic = "{LINES_TOPIC}"
start = "earliest"

[[operator]]
name = "parse"
plugin = "parse-access-log"
input = "lines"
params = {{ key = "path", value = "request-time", malformed = "skip" }}

[[operator]]
name = "per-minute"
plugin = "stats"
input = "parse"
window = {{ size = "1m", slide = "1m", time = "event", delay = "{delay_ms}ms" }}

[[sink]]
name = "out"
input = "per-minute"
topic = "{PAGE_LATENCY}"
"#
    )
}

/// How often each word has come so far.
pub fn word_count() -> String {
    format!(
        r#"name = "{WORD_COUNT}"
batch_interval = "250ms"

[[source]]
name = "lines"
topic = "{LINES_TOPIC}"
start = "earliest"

[[operator]]
name = "split"
plugin = "split-words"
input = "lines"

[[operator]]
name = "totals"
plugin = "count"
input = "split"

[[sink]]
name = "out"
input = "totals"
topic = "{WORD_COUNT}"
"#
    )
}

#[cfg(test)]
mod tests {
    use tidemill_engine::spec::PipelineSpec;

    #[test]
    fn the_files_are_valid() {
        for text in [super::page_latency(10_000), super::word_count()] {
            PipelineSpec::parse(&text).unwrap();
        }
    }
}
