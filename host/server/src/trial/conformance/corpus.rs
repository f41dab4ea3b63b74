//! Records to try a plugin with. The same ones each time.

use super::super::record::Record;
use super::super::subject::Subject;

/// Enough for cuts to differ, few enough for interpreters.
const SAMPLE_RECORDS: usize = 60;

/// Texts of many kinds: what a parser takes is among them.
const TEXTS: [&str; 10] = [
    "to be or not to be",
    "an error at the third attempt",
    "42",
    "-1.5",
    "",
    "{\"user\":\"ann\",\"amount\":12,\"ok\":true}",
    "Grüße, 世界 😀",
    "203.0.113.9 - - [10/Oct/2025:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 2326",
    "a,b,\"c d\",1",
    "   leading and trailing   ",
];

/// Records of these values, under a few keys, with rising timestamps.
fn records(values: impl Iterator<Item = String>) -> Vec<Record> {
    let record = |(index, value): (usize, String)| {
        let mut record = Record::new(
            Some(["a", "b", "key-3"][index % 3]),
            &value,
            1_700_000_000_000 + 250 * index as i64,
        );
        if index % 4 == 0 {
            record.set_headers(&[("source".to_owned(), Some(b"test".to_vec()))]);
        }
        record
    };
    values.take(SAMPLE_RECORDS).enumerate().map(record).collect()
}

pub fn mixed() -> Vec<Record> {
    records(TEXTS.iter().cycle().map(|text| (*text).to_owned()))
}

fn numbers() -> Vec<Record> {
    records((0..).map(|index: i64| ((index * 7) % 100).to_string()))
}

/// The author's own records, again and again.
fn given(inputs: &[Record]) -> Vec<Record> {
    let later = |(index, record): (usize, &Record)| Record {
        timestamp: record.timestamp + index as i64,
        ..record.clone()
    };
    inputs.iter().cycle().take(SAMPLE_RECORDS).enumerate().map(later).collect()
}

/// Records that the plugin takes, the author's before ours; the author's or ours where it takes none.
pub fn sample_for(subject: &Subject, inputs: &[Record]) -> Vec<Record> {
    let candidates = [given(inputs), mixed(), numbers()];
    let takes = |sample: &Vec<Record>| {
        !sample.is_empty() && subject.run(sample, None).is_ok_and(|ran| !ran.emitted.is_empty())
    };
    let found = candidates.iter().position(takes);
    let fallback = usize::from(inputs.is_empty());
    candidates.into_iter().nth(found.unwrap_or(fallback)).unwrap_or_default()
}
