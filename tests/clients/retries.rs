//! Idempotent producers that must send again: the answer was lost, the records were not.

use crate::client::{Client, with_each};
use crate::install::tell;
use crate::produced::reads;
use crate::proxy::Proxy;
use crate::server::{EVERYTHING, Server, fresh};

const COUNT: usize = 600;

#[test]
fn a_lost_answer_makes_no_duplicate() {
    with_each("lost answers", EVERYTHING, lose_answers);
}

fn lose_answers(client: &Client, other: &Client, server: &Server) {
    let topic = &*fresh("retried", client.name);
    client.run(server, "admin-create", &[("topic", topic)]);
    let proxy = Proxy::start(server.bootstrap());
    let args = [
        ("topic", topic),
        ("codecs", "none"),
        ("count", &*COUNT.to_string()),
        ("partition", "0"),
        ("idempotent", "true"),
        ("linger", "0"),
        ("batch", "100"),
    ];
    client.run_at(proxy.address(), "produce", &args);
    assert!(proxy.cuts() > 0, "no answer was lost");
    tell(&format!("lost answers: {} sent again {} times", client.name, proxy.cuts()));

    // One record more, and what lies before it is all there is.
    other.run(
        server,
        "produce",
        &[("topic", topic), ("codecs", "gzip"), ("count", "1"), ("partition", "0")],
    );
    let count = (COUNT + 1).to_string();
    let args = [("topic", topic), ("from", "earliest"), ("count", &*count)];
    let stored = reads(&other.run(server, "consume", &args));
    let ids: Vec<&str> = stored.iter().map(|read| read.id()).collect();
    let mut expected: Vec<String> = (0..COUNT).map(|number| format!("none-{number}")).collect();
    expected.push("gzip-0".to_owned());
    assert_eq!(ids, expected);
}
