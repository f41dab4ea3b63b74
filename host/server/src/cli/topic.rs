//! `tidemill topic`: create, list, describe, delete.

use clap::{Args, Subcommand};

use super::{Connection, Failure, Output, table};
use crate::api::wire::{NewTopic, TopicDescription, TopicList};

#[derive(Args)]
#[command(after_help = "Example:\n  tidemill topic create access-log --partitions 4")]
pub struct TopicArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: TopicCommand,
}

#[derive(Subcommand)]
enum TopicCommand {
    /// Create a topic.
    #[command(after_help = "Examples:\n  tidemill topic create access-log\n  \
                            tidemill topic create clicks --partitions 8 --retention 30d --retention-size 10GiB")]
    Create(CreateArgs),
    /// List the topics.
    #[command(after_help = "Example:\n  tidemill topic list -o json")]
    List,
    /// Show a topic's partitions, offsets and settings.
    #[command(after_help = "Example:\n  tidemill topic describe access-log")]
    Describe {
        /// Name of the topic.
        topic: String,
    },
    /// Delete a topic with everything in it.
    #[command(after_help = "Example:\n  tidemill topic delete access-log")]
    Delete {
        /// Name of the topic.
        topic: String,
    },
}

#[derive(Args)]
struct CreateArgs {
    /// Name of the new topic.
    topic: String,
    /// Number of partitions.
    #[arg(short, long, default_value_t = 1)]
    partitions: u32,
    /// Delete records older than this (`7d`, `12h`), or `forever`.
    #[arg(long, default_value = "7d", value_parser = parse_retention)]
    retention: Retention,
    /// Delete the oldest records of a partition above this size (`10GiB`). Default: never.
    #[arg(long)]
    retention_size: Option<bytesize::ByteSize>,
    /// Answer before the data is synced, and sync at least this often (`100ms`). A power loss may take
    /// acknowledged records. Default: an acknowledged record is durable.
    #[arg(long, value_parser = humantime::parse_duration)]
    flush_interval: Option<std::time::Duration>,
}

/// `None`: for ever.
#[derive(Clone, Copy)]
struct Retention(Option<std::time::Duration>);

fn parse_retention(text: &str) -> Result<Retention, humantime::DurationError> {
    if text == "forever" {
        Ok(Retention(None))
    } else {
        humantime::parse_duration(text).map(|age| Retention(Some(age)))
    }
}

pub async fn run(args: TopicArgs, output: Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    match args.command {
        TopicCommand::Create(create) => {
            let described: TopicDescription =
                client.post_json("/api/v1/topics", &create.into_request()).await?;
            output.print(&described, |topic| {
                format!(
                    "created topic `{}` with {} partition(s)",
                    topic.name,
                    topic.partitions.len()
                )
            })
        }
        TopicCommand::List => {
            let topics: TopicList = client.get_json("/api/v1/topics").await?;
            output.print(&topics, list_text)
        }
        TopicCommand::Describe { topic } => {
            let described: TopicDescription = client.get_json(&client.topic_path(&topic)).await?;
            output.print(&described, describe_text)
        }
        TopicCommand::Delete { topic } => {
            client.delete(&client.topic_path(&topic)).await?;
            output.print(&serde_json::json!({ "deleted": topic }), |_| {
                format!("deleted topic `{topic}`")
            })
        }
    }
}

impl CreateArgs {
    fn into_request(self) -> NewTopic {
        let ms =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        NewTopic {
            name: self.topic,
            partitions: Some(self.partitions),
            retention_ms: Some(
                self.retention
                    .0
                    .map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
            ),
            retention_bytes: self.retention_size.map(|size| size.as_u64()),
            flush_interval_ms: self.flush_interval.map(ms),
        }
    }
}

fn list_text(topics: &TopicList) -> String {
    if topics.topics.is_empty() {
        return "no topics yet; `tidemill topic create NAME` makes one".to_owned();
    }
    let mut rows = table(&["TOPIC", "PARTITIONS", "RECORDS"]);
    for topic in &topics.topics {
        rows.add_row([topic.name.clone(), topic.partitions.to_string(), topic.records.to_string()]);
    }
    rows.trim_fmt()
}

fn describe_text(topic: &TopicDescription) -> String {
    let mut rows = table(&["PARTITION", "LOG START", "HIGH WATERMARK", "LAST STABLE"]);
    for partition in &topic.partitions {
        rows.add_row(
            [
                i64::from(partition.partition),
                partition.log_start,
                partition.high_watermark,
                partition.last_stable,
            ]
            .map(|number| number.to_string()),
        );
    }
    let keep = |limit: Option<String>| limit.unwrap_or_else(|| "without limit".to_owned());
    let age = topic
        .retention_ms
        .map(|ms| humantime::format_duration(std::time::Duration::from_millis(ms)).to_string());
    let size = topic.retention_bytes.map(|bytes| bytesize::ByteSize(bytes).to_string());
    let flush = match topic.flush_interval_ms {
        None => "before each answer".to_owned(),
        Some(ms) => format!("every {ms} ms"),
    };
    format!(
        "topic: {}\nretention: {} by age, {} by size\nsynced: {flush}\n\n{}",
        topic.name,
        keep(age),
        keep(size),
        rows.trim_fmt()
    )
}
