//! `tidemill topic`: create, list, describe, alter, delete.

use clap::{Args, Subcommand};

use super::{Connection, Failure, Output, table};
use crate::api::wire::{DeletedRecords, NewTopic, TopicChange, TopicDescription, TopicList};

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
                            tidemill topic create clicks --partitions 8 --retention 30d --retention-size 10GiB\n  \
                            tidemill topic create prices --config cleanup.policy=compact")]
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
    /// Change a topic's settings; they count at once.
    #[command(
        after_help = "Examples:\n  tidemill topic alter prices --config cleanup.policy=compact\n  \
                            tidemill topic alter clicks --config retention.ms=3600000 --reset segment.bytes"
    )]
    Alter(AlterArgs),
    /// Give a topic more partitions. Keys go to other partitions than before from then on.
    #[command(after_help = "Example:\n  tidemill topic add-partitions clicks 16")]
    AddPartitions {
        /// Name of the topic.
        topic: String,
        /// How many partitions it is to have in all.
        total: u32,
    },
    /// Delete the oldest records of a topic.
    #[command(after_help = "Examples:\n  tidemill topic delete-records clicks --before latest\n  \
                            tidemill topic delete-records clicks --partition 0 --before 1200")]
    DeleteRecords(DeleteRecordsArgs),
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
    /// A setting under the name that Kafka gives it. Can be given more than once, and goes before
    /// the options above.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_config)]
    config: Vec<(String, String)>,
}

#[derive(Args)]
struct AlterArgs {
    /// Name of the topic.
    topic: String,
    /// A setting and its new value. Can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_config, required_unless_present = "reset")]
    config: Vec<(String, String)>,
    /// A setting that gets its default back. Can be given more than once.
    #[arg(long, value_name = "NAME")]
    reset: Vec<String>,
}

#[derive(Args)]
struct DeleteRecordsArgs {
    /// Name of the topic.
    topic: String,
    /// Delete what is before this offset; `latest`: all that there is.
    #[arg(long, value_name = "latest|OFFSET", value_parser = parse_before)]
    before: String,
    /// Only this partition. Default: all.
    #[arg(short, long)]
    partition: Option<u32>,
}

fn parse_config(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not of the form NAME=VALUE, such as cleanup.policy=compact".to_owned()),
    }
}

fn parse_before(text: &str) -> Result<String, String> {
    let is_offset = text.parse().is_ok_and(|offset: i64| offset >= 0);
    if text == "latest" || is_offset {
        Ok(text.to_owned())
    } else {
        Err("neither `latest` nor an offset".to_owned())
    }
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
        TopicCommand::Alter(alter) => {
            let path = client.topic_path(&alter.topic);
            let described: TopicDescription =
                client.patch_json(&path, &alter.into_request()).await?;
            output.print(&described, describe_text)
        }
        TopicCommand::AddPartitions { topic, total } => {
            let change = TopicChange { partitions: Some(total), ..TopicChange::default() };
            let described: TopicDescription =
                client.patch_json(&client.topic_path(&topic), &change).await?;
            output.print(&described, |topic| {
                format!("topic `{}` has {} partitions now", topic.name, topic.partitions.len())
            })
        }
        TopicCommand::DeleteRecords(args) => {
            let partition = args.partition.map(|number| format!("&partition={number}"));
            let path = format!(
                "{}/records?before={}{}",
                client.topic_path(&args.topic),
                args.before,
                partition.unwrap_or_default()
            );
            let deleted: DeletedRecords = client.delete_json(&path).await?;
            output.print(&deleted, deleted_text)
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
            configs: self.config.into_iter().collect(),
        }
    }
}

impl AlterArgs {
    fn into_request(self) -> TopicChange {
        let set = self.config.into_iter().map(|(name, value)| (name, Some(value)));
        let reset = self.reset.into_iter().map(|name| (name, None));
        TopicChange { partitions: None, configs: set.chain(reset).collect() }
    }
}

fn deleted_text(deleted: &DeletedRecords) -> String {
    let mut rows = table(&["PARTITION", "LOG START"]);
    for partition in &deleted.partitions {
        rows.add_row([partition.partition.to_string(), partition.log_start.to_string()]);
    }
    rows.trim_fmt()
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
    let mut settings = table(&["SETTING", "VALUE", "CHOSEN"]);
    for (name, setting) in &topic.configs {
        let chosen = if setting.is_default { "" } else { "yes" };
        settings.add_row([name.as_str(), setting.value.as_str(), chosen]);
    }
    format!(
        "topic: {}\nretention: {} by age, {} by size\nsynced: {flush}\n\n{}\n\n{}",
        topic.name,
        keep(age),
        keep(size),
        rows.trim_fmt(),
        settings.trim_fmt()
    )
}

#[cfg(test)]
mod tests {
    use super::{parse_before, parse_config};

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parse_config("retention.ms=-1"), pair("retention.ms", "-1"));
        assert_eq!(parse_config("a=b=c"), pair("a", "b=c"));
        assert!(parse_config("retention.ms").is_err() && parse_config("=1").is_err());
    }

    #[test]
    fn before_is_an_offset_or_everything() {
        assert!(parse_before("latest").is_ok() && parse_before("0").is_ok());
        assert!(parse_before("earliest").is_err() && parse_before("-1").is_err());
    }
}
