//! Many idle connections, partitions and topics: what they cost in memory and at the start, printed.
//!
//! `TIDEMILL_SCALE=full` takes 5,000 connections, 1,000 partitions and 10,000 topics; the default is a smoke.

use std::net::TcpStream;

use crate::client;
use crate::harness::{Host, now};
use crate::install::tell;
use crate::server::{Needs, Server, say_hello};

/// Metadata, CreateTopics, DeleteTopics.
const NEEDS: Needs = &[3, 19, 20];

struct Scale {
    connections: usize,
    partitions: usize,
    topics: usize,
}

const SMOKE: Scale = Scale { connections: 200, partitions: 100, topics: 200 };
const FULL: Scale = Scale { connections: 5_000, partitions: 1_000, topics: 10_000 };

#[test]
fn many_connections_partitions_and_topics() {
    let Some(client) = client::named("confluent-kafka") else { return };
    let full = std::env::var("TIDEMILL_SCALE").is_ok_and(|scale| scale == "full");
    let scale = if full { FULL } else { SMOKE };
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start_on(folder.path(), 0).speaking(NEEDS) else { return };
    let at_rest = report("at rest", &server, 0);

    let connections: Vec<TcpStream> =
        (0..scale.connections).map(|_| say_hello(server.bootstrap()).0).collect();
    let connected = report(&format!("{} idle connections", connections.len()), &server, at_rest);
    drop(connections);

    let (each, count) = ("100", (scale.partitions / 100).to_string());
    client.run(&server, "topics", &[("topic", "wide"), ("count", &count), ("partitions", each)]);
    report(&format!("{} partitions", scale.partitions), &server, connected);

    let started = now();
    let count = scale.topics.to_string();
    let args = [("topic", "many"), ("count", &*count), ("partitions", "1"), ("delete", "true")];
    client.run(&server, "topics", &args);
    let took = started.elapsed().as_secs_f32();
    report(&format!("{count} topics created and deleted in {took:.1} s"), &server, connected);
    server.kill();

    let started = now();
    let server = Server::start_on(folder.path(), 0);
    let took = started.elapsed().as_millis();
    report(&format!("started again in {took} ms"), &server, 0);
}

/// Prints the host's memory, and what it is more than before.
fn report(what: &str, server: &Server, before: u64) -> u64 {
    let resident = server.host().map(resident_kib).unwrap_or(0);
    let more = resident.saturating_sub(before);
    tell(&format!("scale: {what}: {} MiB resident, {more} KiB more", resident / 1024));
    resident
}

fn resident_kib(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
