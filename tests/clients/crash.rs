//! SIGKILL of the host while eight producers write with acks=all and a group commits offsets.
//! **Every acknowledged record is there, in order, once for idempotent producers, where its producer was told;
//! committed offsets never go back.**
//!
//! `TIDEMILL_CRASH_ROUNDS=100` kills as many times; the default is a few.

use std::net::TcpListener;
use std::time::Duration;

use crate::client::{self, Client, Running};
use crate::harness::eventually;
use crate::install::tell;
use crate::produced::{assert_intact, reads};
use crate::server::{EVERYTHING, Server, fresh};

const ROUNDS: u32 = 3;

/// One producer with a topic of its own.
struct Producer {
    name: &'static str,
    topic: String,
    idempotent: bool,
    running: Running,
}

impl Producer {
    fn start(client: &Client, server: &Server, idempotent: bool) -> Producer {
        let topic = fresh("crash", client.name);
        client.run(server, "admin-create", &[("topic", &topic)]);
        let (args, flag) = (("topic", &*topic), if idempotent { "true" } else { "false" });
        let running = client.start(server.bootstrap(), "stream", &[args, ("idempotent", flag)]);
        Producer { name: client.name, topic, idempotent, running }
    }

    fn acknowledged(&self) -> usize {
        self.running.lines().iter().filter(|line| line.starts_with("sent ")).count()
    }
}

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let (clients, Some(reader)) = (client::installed(), client::named("confluent-kafka")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(mut server) = Server::start_on(folder.path(), port).speaking(EVERYTHING) else {
        return;
    };
    let mut producers: Vec<Producer> =
        clients.iter().map(|client| Producer::start(client, &server, true)).collect();
    producers.push(Producer::start(&reader, &server, false));
    let group = ("group", "crash");
    let topic = producers[0].topic.clone();
    let committer = reader.start(server.bootstrap(), "commits", &[group, ("topic", &topic)]);

    let rounds = std::env::var("TIDEMILL_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut committed = 0;
    for round in 0..rounds {
        let before: Vec<usize> = producers.iter().map(Producer::acknowledged).collect();
        for (producer, before) in producers.iter().zip(before) {
            eventually(&format!("{} goes on in round {round}", producer.name), || {
                (producer.acknowledged() > before).then_some(())
            });
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
        server.kill();
        let told = last_commit(&committer.lines());
        server = Server::start_on(folder.path(), port);
        let kept = last_commit(&reader.run(&server, "committed", &[group, ("topic", &topic)]));
        assert!(
            kept >= told.max(committed),
            "{told} was acknowledged, {committed} read, {kept} kept"
        );
        committed = kept;
    }
    committer.leave();
    let records: usize =
        producers.into_iter().map(|producer| verify(producer, &reader, &server)).sum();
    tell(&format!(
        "crash: {rounds} kills, {records} records acknowledged and kept, {committed} commits"
    ));
}

fn last_commit(lines: &[String]) -> u64 {
    let last = lines.iter().rev().find_map(|line| line.strip_prefix("committed 0 "));
    last.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).unwrap_or(0)
}

/// Gives how many records were acknowledged.
fn verify(producer: Producer, reader: &Client, server: &Server) -> usize {
    let Producer { name, topic, idempotent, running } = producer;
    let sent: Vec<String> =
        running.leave().into_iter().filter(|line| line.starts_with("sent ")).collect();
    let ends = reader.run(server, "ends", &[("topic", &topic)]);
    let end = ends.iter().find_map(|line| line.strip_prefix("end 0 ")).unwrap();
    let args = [("topic", &*topic), ("from", "earliest"), ("count", end)];
    let stored = reads(&reader.run(server, "consume", &args));
    assert_intact(&stored);
    for line in &sent {
        let words: Vec<&str> = line.split(' ').collect();
        let offset: usize = words[2].parse().unwrap();
        let there = stored.get(offset).map(|read| &*read.value);
        assert_eq!(there, Some(words[3]), "{name} was told that this is at {offset}");
    }
    if idempotent {
        for (number, read) in stored.iter().enumerate() {
            assert_eq!(
                read.id(),
                format!("none-{number}"),
                "{name}: missing, doubled or out of order"
            );
        }
    }
    sent.len()
}
