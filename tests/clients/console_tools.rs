//! Kafka's own command-line tools, by their main classes.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::install;
use crate::server::{EVERYTHING, Server, fresh};

struct Tools {
    classpath: String,
    server: Server,
}

impl Tools {
    fn start() -> Option<Tools> {
        Some(Tools { classpath: install::kafka_classpath()?, server: Server::start(EVERYTHING)? })
    }

    /// Runs a tool and asserts success; gives what it printed on both outputs.
    #[track_caller]
    fn run(&self, class: &str, args: &[&str], input: &str) -> String {
        let mut command = Command::new("java");
        command.args(["-XX:TieredStopAtLevel=1", "-cp", &self.classpath, class]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A tool that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{class} {args:?}: {text}");
        text
    }

    /// The same, for tools that take `--bootstrap-server`.
    #[track_caller]
    fn at(&self, class: &str, args: &[&str]) -> String {
        let address = ["--bootstrap-server", self.server.bootstrap()];
        self.run(class, &[&address[..], args].concat(), "")
    }
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";

#[track_caller]
fn assert_line(text: &str, words: &[&str]) {
    let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "no line with {words:?} in:\n{text}");
}

#[test]
fn topics_and_configs() {
    let Some(tools) = Tools::start() else { return };
    let topic = &*fresh("tooled", "topics");
    let settings = ["--partitions", "2", "--config", "retention.ms=3600000"];
    tools.at(TOPICS, &[&["--create", "--topic", topic][..], &settings].concat());
    let described = tools.at(TOPICS, &["--describe", "--topic", topic]);
    assert_line(&described, &["PartitionCount: 2", "retention.ms=3600000"]);
    tools.at(TOPICS, &["--alter", "--topic", topic, "--partitions", "3"]);
    assert_line(&tools.at(TOPICS, &["--list"]), &[topic]);

    let entity = ["--entity-type", "topics", "--entity-name", topic];
    let change = ["--alter", "--add-config", "max.message.bytes=2000000,cleanup.policy=compact"];
    tools.at(CONFIGS, &[&entity[..], &change].concat());
    let configs = tools.at(CONFIGS, &[&entity[..], &["--describe"]].concat());
    for words in ["max.message.bytes=2000000", "cleanup.policy=compact", "retention.ms=3600000"] {
        assert_line(&configs, &[words]);
    }
    tools.at(CONFIGS, &[&entity[..], &["--alter", "--delete-config", "cleanup.policy"]].concat());
    let configs = tools.at(CONFIGS, &[&entity[..], &["--describe"]].concat());
    assert!(!configs.contains("cleanup.policy=compact"), "{configs}");

    assert_line(&tools.at(TOPICS, &["--describe", "--topic", topic]), &["PartitionCount: 3"]);
    tools.at(TOPICS, &["--delete", "--topic", topic]);
    let left = tools.at(TOPICS, &["--list"]);
    assert!(!left.contains(topic), "{left}");
}

#[test]
fn console_producer_and_consumer_and_groups() {
    let Some(tools) = Tools::start() else { return };
    let (topic, group) = (&*fresh("tooled", "console"), &*fresh("group", "console"));
    tools.at(TOPICS, &["--create", "--topic", topic, "--partitions", "1"]);
    let keyed = ["--property", "parse.key=true", "--property", "key.separator=:"];
    let address = ["--bootstrap-server", tools.server.bootstrap()];
    let produce =
        [&address[..], &["--topic", topic, "--compression-codec", "zstd"], &keyed].concat();
    tools.run(CONSOLE_PRODUCER, &produce, "a:1\nb:2\nc:3\n");

    let print = ["--property", "print.key=true", "--property", "print.offset=true"];
    let consume = ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", "3"];
    let consumed = tools.at(CONSOLE_CONSUMER, &[&consume[..], &print].concat());
    for words in ["Offset:0\ta\t1", "Offset:1\tb\t2", "Offset:2\tc\t3"] {
        assert_line(&consumed, &[words]);
    }
    assert_line(&tools.at(OFFSETS, &["--topic", topic]), &[&format!("{topic}:0:3")]);
    let earliest = tools.at(OFFSETS, &["--topic", topic, "--time", "earliest"]);
    assert_line(&earliest, &[&format!("{topic}:0:0")]);

    assert_line(&tools.at(GROUPS, &["--list"]), &[group]);
    assert_line(
        &tools.at(GROUPS, &["--describe", "--group", group]),
        &[group, topic, "3               3"],
    );
    assert_line(&tools.at(GROUPS, &["--describe", "--group", group, "--state"]), &[group, "Empty"]);
    let reset =
        ["--reset-offsets", "--group", group, "--topic", topic, "--to-offset", "1", "--execute"];
    assert_line(&tools.at(GROUPS, &reset), &[group, topic, "1"]);
    let (bootstrap, max) = (["--topic", topic, "--group", group], ["--max-messages", "2"]);
    let again = tools.at(CONSOLE_CONSUMER, &[&bootstrap[..], &max, &print].concat());
    assert_line(&again, &["Offset:1\tb\t2"]);
    assert!(!again.contains("Offset:0"), "{again}");
    tools.at(GROUPS, &["--delete", "--group", group]);
    let left = tools.at(GROUPS, &["--list"]);
    assert!(!left.contains(group), "{left}");
}

#[test]
fn performance_and_verifiable_tools() {
    let Some(tools) = Tools::start() else { return };
    let address = tools.server.bootstrap();
    let topic = &*fresh("tooled", "performance");
    let size = ["--num-records", "20000", "--record-size", "100", "--throughput", "-1"];
    let to = format!("bootstrap.servers={address}");
    let args = [&["--topic", topic][..], &size, &["--producer-props", &to]].concat();
    let measured = tools.run("org.apache.kafka.tools.ProducerPerformance", &args, "");
    assert_line(&measured, &["20000 records sent", "99.9th"]);

    let topic = &*fresh("tooled", "verifiable");
    let args = ["--topic", topic, "--max-messages", "500", "--acks", "-1"];
    let sent = tools.at("org.apache.kafka.tools.VerifiableProducer", &args);
    assert_line(&sent, &["tool_data", "\"sent\":500", "\"acked\":500"]);
    let args = ["--topic", topic, "--max-messages", "500", "--group-id", topic];
    let read = tools.at("org.apache.kafka.tools.VerifiableConsumer", &args);
    assert_line(&read, &["records_consumed"]);
    assert_line(&read, &["offsets_committed", "\"offset\":500"]);
}
