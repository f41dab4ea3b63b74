//! Batches of odd shapes and contents.

use super::super::record::Record;
use super::judged::{Judged, allowed, failed, noted, started};
use super::{Kit, corpus};

const LARGE_BYTES: usize = 1 << 20;

/// A call has 1 MiB by default, and a record without any content still takes its place in the columns.
const RECORDS_MAX: usize = 50_000;

pub fn an_empty_batch(kit: &Kit<'_>) -> Judged {
    match allowed(started(kit.bench.subject())?.run(&[], None))? {
        Ok(ran) if ran.emitted.is_empty() && ran.rejected.is_empty() => Ok(None),
        Ok(ran) => failed(format!("{} records come out of none", ran.emitted.len())),
        Err(message) => failed(format!("the plugin fails it: {message}")),
    }
}

pub fn one_record(kit: &Kit<'_>) -> Judged {
    run(kit, &kit.sample[..kit.sample.len().min(1)])
}

pub fn absent_parts(kit: &Kit<'_>) -> Judged {
    let mut records = kit.sample.clone();
    for (index, record) in records.iter_mut().enumerate() {
        if index % 2 == 0 {
            record.key = None;
        }
        if index % 3 == 0 {
            record.value = None;
            record.headers = None;
        }
    }
    run(kit, &records)
}

/// Not even the columns have items.
pub fn no_parts(kit: &Kit<'_>) -> Judged {
    let record = |timestamp| Record { timestamp, ..Record::default() };
    run(kit, &(0..10).map(record).collect::<Vec<_>>())
}

pub fn empty_parts(kit: &Kit<'_>) -> Judged {
    run(kit, &(0..10).map(|timestamp| Record::new(Some(""), "", timestamp)).collect::<Vec<_>>())
}

pub fn a_large_record(kit: &Kit<'_>) -> Judged {
    let text = kit.sample.iter().find_map(|record| record.value.clone().filter(|v| !v.is_empty()));
    let text = text.unwrap_or_else(|| b"word ".to_vec());
    let large: Vec<u8> = text.iter().copied().cycle().take(LARGE_BYTES).collect();
    let record = Record { key: Some(b"large".to_vec()), value: Some(large), ..Record::default() };
    run(kit, &[record])
}

pub fn bytes_that_are_no_text(kit: &Kit<'_>) -> Judged {
    let broken: [&[u8]; 6] =
        [b"\xff", b"a\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\0\0", b"ok \xf0\x9f\x98 more"];
    let mut records = corpus::mixed();
    for (record, bytes) in records.iter_mut().zip(broken.iter().cycle()) {
        record.value = Some(bytes.to_vec());
        record.key = Some(bytes.to_vec());
        // A count of headers, and no header.
        record.headers = Some(vec![0x7f]);
    }
    run(kit, &records)
}

pub fn as_many_as_a_call_can_have(kit: &Kit<'_>) -> Judged {
    let keys = ["a", "b", "c", "d"].iter().cycle();
    let records = keys.take(RECORDS_MAX).zip(0..).map(|(key, at)| Record::new(Some(key), "", at));
    run(kit, &records.collect::<Vec<_>>())
}

fn run(kit: &Kit<'_>, records: &[Record]) -> Judged {
    noted(started(kit.bench.subject())?.run(records, None))
}
