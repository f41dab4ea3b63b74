//! Consumer groups: members join, leave, crash and come back. **No record is missed, and none comes twice**,
//! since the members commit before anything is done to the group.

use std::time::Duration;

use crate::client::{Client, Running, with_each};
use crate::harness::eventually;
use crate::produced::{expected, ids};
use crate::server::{EVERYTHING, Server, fresh};

#[test]
fn members_join_leave_crash_and_resume() {
    with_each("group of four", EVERYTHING, join_leave_crash_resume);
}

#[test]
fn members_rebalance_cooperatively() {
    with_each("cooperative group", EVERYTHING, cooperative);
}

#[test]
fn a_static_member_restarts_without_a_rebalance() {
    with_each("static member", EVERYTHING, static_restart);
}

/// A group with a topic of its own, and what its members have read.
struct Group<'a> {
    client: &'a Client,
    server: &'a Server,
    topic: String,
    group: String,
    more: Vec<(&'a str, &'a str)>,
    produced: u32,
    gone: Vec<String>,
}

impl<'a> Group<'a> {
    fn new(client: &'a Client, server: &'a Server, more: &[(&'a str, &'a str)]) -> Group<'a> {
        let (topic, group) = (fresh("grouped", client.name), fresh("group", client.name));
        client.run(server, "admin-create", &[("topic", &topic)]);
        Group { client, server, topic, group, more: more.to_vec(), produced: 0, gone: Vec::new() }
    }

    fn join(&self, more: &[(&str, &str)]) -> Running {
        let args =
            [&[("group", &*self.group), ("topic", &*self.topic)], &self.more[..], more].concat();
        self.client.start(self.server.bootstrap(), "member", &args)
    }

    /// Produces as many records, and waits until these members, and those that are gone, have read all.
    #[track_caller]
    fn feed(&mut self, count: u32, members: &[&Running]) {
        let (first, number) = (self.produced.to_string(), count.to_string());
        let args =
            [("topic", &*self.topic), ("codecs", "lz4"), ("first", &first), ("count", &number)];
        self.client.run(self.server, "produce", &args);
        self.produced += count;
        let all = expected(&["lz4"], 0..self.produced);
        eventually(
            &format!("{} members of {} read {} records", members.len(), self.group, all.len()),
            || (self.read(members).len() >= all.len()).then_some(()),
        );
        assert_eq!(self.read(members), all);
        // A member commits right after it has said what it read.
        std::thread::sleep(Duration::from_millis(300));
    }

    fn read(&self, members: &[&Running]) -> Vec<String> {
        let now: Vec<String> = members.iter().flat_map(|member| member.lines()).collect();
        ids(&[&self.gone[..], &now].concat())
    }

    /// Waits until these members share the four partitions evenly.
    #[track_caller]
    fn settled(&self, members: &[&Running]) {
        eventually(
            &format!("{} members of {} share the partitions", members.len(), self.group),
            || {
                let shares: Vec<Vec<u32>> =
                    members.iter().map(|member| assigned(&member.lines())).collect();
                let mut all: Vec<u32> = shares.iter().flatten().copied().collect();
                all.sort();
                let even = shares.iter().all(|share| share.len() >= 4 / members.len());
                (all == [0, 1, 2, 3] && even).then_some(())
            },
        );
    }
}

/// What a member has now.
fn assigned(lines: &[String]) -> Vec<u32> {
    let last = lines.iter().rev().find_map(|line| line.strip_prefix("assigned "));
    last.map(|list| list.split(',').filter_map(|one| one.parse().ok()).collect())
        .unwrap_or_default()
}

fn join_leave_crash_resume(client: &Client, _: &Client, server: &Server) {
    let mut group = Group::new(client, server, &[]);
    let first = group.join(&[]);
    group.settled(&[&first]);
    group.feed(40, &[&first]);

    let (second, third, fourth) = (group.join(&[]), group.join(&[]), group.join(&[]));
    group.settled(&[&first, &second, &third, &fourth]);
    group.feed(40, &[&first, &second, &third, &fourth]);

    group.gone.extend(second.leave());
    group.settled(&[&first, &third, &fourth]);
    group.gone.extend(third.kill());
    group.settled(&[&first, &fourth]);
    group.feed(40, &[&first, &fourth]);
    group.gone.extend(first.leave());
    group.gone.extend(fourth.leave());

    let again = group.join(&[]);
    group.settled(&[&again]);
    group.feed(10, &[&again]);
    group.gone.extend(again.leave());

    let asked = [("group", &*group.group), ("topic", &*group.topic)];
    let committed: u32 = client
        .run(server, "committed", &asked)
        .iter()
        .map(|line| line.split(' ').nth(2).unwrap().parse::<u32>().unwrap())
        .sum();
    assert_eq!(committed, group.produced);
}

fn cooperative(client: &Client, _: &Client, server: &Server) {
    if !client.modern_groups {
        return;
    }
    let mut group = Group::new(client, server, &[("strategy", "cooperative")]);
    let first = group.join(&[]);
    group.settled(&[&first]);
    let second = group.join(&[]);
    group.settled(&[&first, &second]);
    group.feed(20, &[&first, &second]);
    group.gone.extend(first.leave());
    group.settled(&[&second]);
    group.feed(20, &[&second]);
    second.leave();
}

fn static_restart(client: &Client, _: &Client, server: &Server) {
    if !client.modern_groups {
        return;
    }
    let mut group = Group::new(client, server, &[]);
    let first = group.join(&[("instance", "first")]);
    let second = group.join(&[("instance", "second")]);
    group.settled(&[&first, &second]);
    group.feed(20, &[&first, &second]);
    let before = rebalances(&first);
    let share = assigned(&second.lines());
    group.gone.extend(second.kill());

    let second = group.join(&[("instance", "second")]);
    group.settled(&[&first, &second]);
    assert_eq!(assigned(&second.lines()), share);
    group.feed(20, &[&first, &second]);
    assert_eq!(rebalances(&first), before, "the other member was disturbed");
    first.leave();
    second.leave();
}

fn rebalances(member: &Running) -> usize {
    member.lines().iter().filter(|line| line.starts_with("assigned ")).count()
}
