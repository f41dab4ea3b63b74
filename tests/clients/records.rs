//! Produce with every codec, keys and headers; consume from earliest, an offset, a time and latest.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::{Client, with_each};
use crate::produced::{CODECS, assert_as_reported, assert_intact, expected, ids, reads};
use crate::server::{EVERYTHING, Server, fresh};

#[test]
fn records_come_back_from_every_codec_and_every_place() {
    with_each("records", EVERYTHING, records);
}

fn records(client: &Client, other: &Client, server: &Server) {
    let topic = &*fresh("records", client.name);
    client.run(server, "admin-create", &[("topic", topic)]);
    let codecs = &*CODECS.join(",");
    let sent =
        client.run(server, "produce", &[("topic", topic), ("codecs", codecs), ("count", "20")]);

    let from_earliest = consume(other, server, topic, "earliest", 100);
    assert_eq!(ids(&from_earliest), expected(&CODECS, 0..20));
    let stored = reads(&from_earliest);
    assert_intact(&stored);
    if client.reports_offsets {
        assert_as_reported(&sent, &stored);
    }

    let mut ends = BTreeMap::new();
    for read in &stored {
        ends.insert(read.partition, read.offset + 1);
    }
    let left: u64 = ends.values().map(|end| end.saturating_sub(2)).sum();
    let from_offset = reads(&consume(client, server, topic, "offset:2", left));
    assert_intact(&from_offset);
    assert!(from_offset.iter().all(|read| read.offset >= 2));

    let later = stored.iter().map(|read| read.timestamp).max().unwrap() + 1;
    std::thread::sleep(Duration::from_millis(5));
    client.run(
        server,
        "produce",
        &[("topic", topic), ("codecs", "gzip"), ("count", "10"), ("first", "1000")],
    );
    let from_time = consume(client, server, topic, &format!("time:{later}"), 10);
    assert_eq!(ids(&from_time), expected(&["gzip"], 1000..1010));

    let args = [("topic", topic), ("from", "latest"), ("count", "5")];
    let latest = client.start(server.bootstrap(), "consume", &args);
    latest.wait_for("ready");
    client.run(
        server,
        "produce",
        &[("topic", topic), ("codecs", "zstd"), ("count", "5"), ("first", "2000")],
    );
    assert_eq!(ids(&latest.finish()), expected(&["zstd"], 2000..2005));
}

fn consume(client: &Client, server: &Server, topic: &str, from: &str, count: u64) -> Vec<String> {
    let count = count.to_string();
    client.run(server, "consume", &[("topic", topic), ("from", from), ("count", &count)])
}
