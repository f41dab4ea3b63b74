//! The records that every client's program produces, and the lines that tell about them.

use std::collections::BTreeMap;

pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A `record` line.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub partition: u32,
    pub offset: u64,
    pub timestamp: u64,
    pub key: String,
    pub value: String,
    pub headers: String,
}

impl Read {
    fn parse(line: &str) -> Option<Read> {
        let words: Vec<&str> = line.strip_prefix("record ")?.split(' ').collect();
        let [partition, offset, timestamp, key, value, headers] = words[..] else {
            panic!("not a record: {line}")
        };
        Some(Read {
            partition: partition.parse().unwrap(),
            offset: offset.parse().unwrap(),
            timestamp: timestamp.parse().unwrap(),
            key: key.to_owned(),
            value: value.to_owned(),
            headers: headers.to_owned(),
        })
    }

    /// `codec-number`, which no two records share.
    pub fn id(&self) -> &str {
        self.value.split(':').next().unwrap()
    }
}

/// The records among these lines.
pub fn reads(lines: &[String]) -> Vec<Read> {
    lines.iter().filter_map(|line| Read::parse(line)).collect()
}

/// The ids among these lines, sorted, with repetitions.
pub fn ids(lines: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = reads(lines).iter().map(|read| read.id().to_owned()).collect();
    ids.sort();
    ids
}

/// The ids that a program produces with these arguments, sorted.
pub fn expected(codecs: &[&str], numbers: std::ops::Range<u32>) -> Vec<String> {
    let mut ids: Vec<String> = codecs
        .iter()
        .flat_map(|codec| numbers.clone().map(move |number| format!("{codec}-{number}")))
        .collect();
    ids.sort();
    ids
}

/// Asserts that each record is as it was produced, and that offsets rise in each partition.
#[track_caller]
pub fn assert_intact(reads: &[Read]) {
    let mut last = BTreeMap::new();
    for read in reads {
        let (codec, number) = read.id().rsplit_once('-').unwrap();
        let value = format!("{codec}-{number}:{}", "abcdefghij".repeat(10));
        let headers = format!("codec={codec},number={number}");
        assert_eq!(
            (&*read.key, &*read.value, &*read.headers),
            (&*format!("key-{number}"), &*value, &*headers)
        );
        let before = last.insert(read.partition, read.offset);
        assert!(before.is_none_or(|before| before < read.offset), "out of order: {read:?}");
    }
}

/// Asserts that the records lie where `sent` lines say so.
#[track_caller]
pub fn assert_as_reported(sent: &[String], reads: &[Read]) {
    let stored: BTreeMap<_, _> =
        reads.iter().map(|read| ((read.partition, read.offset), &*read.value)).collect();
    let mut count = 0;
    for line in sent.iter().filter_map(|line| line.strip_prefix("sent ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let at = (words[0].parse().unwrap(), words[1].parse().unwrap());
        assert_eq!(stored.get(&at), Some(&words[2]), "reported: {line}");
        count += 1;
    }
    assert_eq!(count, reads.len());
}
