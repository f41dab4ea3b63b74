//! A dead letter's headers.
//! **They stand behind the record's own**, so that those come back unchanged, also where the
//! record was a letter before.

use serde::{Deserialize, Serialize};
use tidemill_log::{HeaderIter, RecordHeader, write_header, write_header_count};

/// The first of a letter's headers: the last one of this name begins them.
const PIPELINE: &str = "dead-letter.pipeline";
const OPERATOR: &str = "dead-letter.operator";
const PLUGIN: &str = "dead-letter.plugin";
const VERSION: &str = "dead-letter.version";
const DIGEST: &str = "dead-letter.digest";
const BATCH: &str = "dead-letter.batch";
const TOPIC: &str = "dead-letter.topic";
const PARTITION: &str = "dead-letter.partition";
const OFFSET: &str = "dead-letter.offset";
const KIND: &str = "dead-letter.kind";
const REASON: &str = "dead-letter.reason";
const BACKTRACE: &str = "dead-letter.backtrace";
const TIME: &str = "dead-letter.time";
const ATTEMPT: &str = "dead-letter.attempt";
/// Only on records that are retried: which letter this was.
const RETRIED: &str = "dead-letter.retried";

/// A longer reason is cut.
const REASON_BYTES_MAX: usize = 2 << 10;
/// A longer backtrace is cut.
const BACKTRACE_BYTES_MAX: usize = 8 << 10;

/// A record of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourcePlace {
    /// The topic that it was read from.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
}

/// Why a record became a dead letter, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// The pipeline.
    pub pipeline: String,
    /// The operator that could not take the record.
    pub operator: String,
    /// Its plugin's name.
    pub plugin: String,
    /// Its plugin's version.
    pub version: String,
    /// Its plugin's digest.
    pub digest: String,
    /// The batch.
    pub batch: u64,
    /// The record of a source behind it; none behind a reducer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePlace>,
    /// `rejected`, `trap`, `timeout` and the like.
    pub kind: String,
    /// What the plugin or the host said.
    pub reason: String,
    /// The guest's stack, where it trapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// The batch's time, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// How often the record has failed, with this time.
    pub attempt: u32,
}

impl Letter {
    /// The headers of a record whose own are `original`.
    #[must_use]
    pub fn encode(&self, original: &[u8]) -> Vec<u8> {
        write(original, &self.headers())
    }

    /// The headers of a letter that is retried, with its id.
    #[must_use]
    pub fn encode_retried(letter_headers: &[u8], id: &str) -> Vec<u8> {
        write(letter_headers, &[(RETRIED, id.to_owned())])
    }

    /// Reads a letter back; `None` where the headers are those of another record.
    #[must_use]
    pub fn decode(headers: &[u8]) -> Option<Self> {
        let all: Vec<RecordHeader<'_>> = HeaderIter::new(headers).collect();
        let own = all.get(start_of(&all)?..)?;
        let text = |name: &str| {
            let header = own.iter().find(|header| header.name == name.as_bytes())?;
            Some(String::from_utf8_lossy(header.value?).into_owned())
        };
        let source = || {
            Some(SourcePlace {
                topic: text(TOPIC)?,
                partition: text(PARTITION)?.parse().ok()?,
                offset: text(OFFSET)?.parse().ok()?,
            })
        };
        Some(Self {
            pipeline: text(PIPELINE)?,
            operator: text(OPERATOR)?,
            plugin: text(PLUGIN).unwrap_or_default(),
            version: text(VERSION).unwrap_or_default(),
            digest: text(DIGEST).unwrap_or_default(),
            batch: text(BATCH)?.parse().ok()?,
            source: source(),
            kind: text(KIND)?,
            reason: text(REASON).unwrap_or_default(),
            backtrace: text(BACKTRACE),
            time_ms: text(TIME)?.parse().ok()?,
            attempt: text(ATTEMPT)?.parse().ok()?,
        })
    }

    /// Which letter a retried record was.
    #[must_use]
    pub fn retried_id(headers: &[u8]) -> Option<String> {
        let header = HeaderIter::new(headers).filter(|h| h.name == RETRIED.as_bytes()).last()?;
        Some(String::from_utf8_lossy(header.value?).into_owned())
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (PIPELINE, self.pipeline.clone()),
            (OPERATOR, self.operator.clone()),
            (PLUGIN, self.plugin.clone()),
            (VERSION, self.version.clone()),
            (DIGEST, self.digest.clone()),
            (BATCH, self.batch.to_string()),
        ];
        if let Some(SourcePlace { topic, partition, offset }) = &self.source {
            headers.extend([
                (TOPIC, topic.clone()),
                (PARTITION, partition.to_string()),
                (OFFSET, offset.to_string()),
            ]);
        }
        headers.push((KIND, self.kind.clone()));
        headers.push((REASON, cut(&self.reason, REASON_BYTES_MAX)));
        let backtrace = self.backtrace.iter();
        headers.extend(backtrace.map(|text| (BACKTRACE, cut(text, BACKTRACE_BYTES_MAX))));
        headers.push((TIME, self.time_ms.to_string()));
        headers.push((ATTEMPT, self.attempt.to_string()));
        headers
    }
}

/// The headers that a letter's record had; empty where it had none.
#[must_use]
pub fn without_letter(headers: &[u8]) -> Vec<u8> {
    let all: Vec<RecordHeader<'_>> = HeaderIter::new(headers).collect();
    match start_of(&all) {
        None => headers.to_vec(),
        Some(0) => Vec::new(),
        Some(start) => {
            let mut own = Vec::with_capacity(headers.len());
            write_header_count(&mut own, start);
            all.iter().take(start).for_each(|h| write_header(&mut own, h.name, h.value));
            own
        }
    }
}

/// Where a letter's own headers begin.
fn start_of(headers: &[RecordHeader<'_>]) -> Option<usize> {
    headers.iter().rposition(|header| header.name == PIPELINE.as_bytes())
}

fn write(before: &[u8], more: &[(&str, String)]) -> Vec<u8> {
    let before: Vec<RecordHeader<'_>> = HeaderIter::new(before).collect();
    let mut out = Vec::new();
    write_header_count(&mut out, before.len() + more.len());
    before.iter().for_each(|header| write_header(&mut out, header.name, header.value));
    more.iter().for_each(|(name, value)| {
        write_header(&mut out, name.as_bytes(), Some(value.as_bytes()));
    });
    out
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            pipeline: "p".to_owned(),
            operator: "o".to_owned(),
            plugin: "parse".to_owned(),
            version: "1.0.0".to_owned(),
            digest: "sha256:00".to_owned(),
            batch: 7,
            source: Some(SourcePlace { topic: "lines".to_owned(), partition: 3, offset: 41 }),
            kind: "trap".to_owned(),
            reason: "ünreachable".to_owned(),
            backtrace: Some("0: f\n1: g\n".to_owned()),
            time_ms: -5,
            attempt: 2,
        }
    }

    fn two_headers() -> Vec<u8> {
        let mut own = Vec::new();
        write_header_count(&mut own, 2);
        write_header(&mut own, b"trace", Some(b"\xff\x00"));
        write_header(&mut own, b"", None);
        own
    }

    #[test]
    fn a_letter_reads_back_and_leaves_the_records_own_headers() {
        let mut bare = letter();
        (bare.source, bare.backtrace) = (None, None);
        for letter in [letter(), bare] {
            for own in [Vec::new(), two_headers()] {
                let encoded = letter.encode(&own);
                assert!(HeaderIter::is_well_formed(&encoded));
                assert_eq!(Letter::decode(&encoded).as_ref(), Some(&letter));
                assert_eq!(without_letter(&encoded), own);
                let retried = Letter::encode_retried(&encoded, "dead-0-12");
                assert_eq!(Letter::retried_id(&retried).as_deref(), Some("dead-0-12"));
                assert_eq!(Letter::decode(&retried).as_ref(), Some(&letter));
                assert_eq!(without_letter(&retried), own);
            }
        }
    }

    #[test]
    fn a_letter_of_a_letter_hides_the_first() {
        let first = letter().encode(&two_headers());
        let second = Letter { operator: "other".to_owned(), ..letter() };
        let encoded = second.encode(&first);
        assert_eq!(Letter::decode(&encoded).unwrap(), second);
        assert_eq!(without_letter(&encoded), first);
    }

    #[test]
    fn other_records_are_no_letters() {
        assert_eq!(Letter::decode(&[]), None);
        assert_eq!(Letter::decode(&two_headers()), None);
        assert_eq!(without_letter(&two_headers()), two_headers());
        assert_eq!(Letter::retried_id(&two_headers()), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = Letter {
            reason: "ü".repeat(REASON_BYTES_MAX),
            backtrace: Some("x".repeat(1 << 20)),
            ..letter()
        };
        let encoded = long.encode(&[]);
        assert!(encoded.len() < REASON_BYTES_MAX + BACKTRACE_BYTES_MAX + 1_000);
        assert!(Letter::decode(&encoded).unwrap().reason.ends_with("ü…"));
    }
}
