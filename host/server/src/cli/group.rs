//! `tidemill group`: list, describe, reset, delete consumer groups.

use clap::{ArgGroup, Args, Subcommand};

use super::{Connection, Failure, Output, table};
use crate::api::wire::{
    GroupDescription, GroupList, GroupReset, NewPosition, ResetPlan, TopicSelection,
};

#[derive(Args)]
#[command(after_help = "Examples:\n  tidemill group list\n  tidemill group describe billing\n  \
                        tidemill group reset billing --to earliest --dry-run")]
pub struct GroupArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Subcommand)]
enum GroupCommand {
    /// List the groups, those of pipelines included.
    #[command(after_help = "Example:\n  tidemill group list -o json")]
    List,
    /// Show a group's members, offsets and lag.
    #[command(after_help = "Example:\n  tidemill group describe billing")]
    Describe {
        /// Name of the group.
        group: String,
    },
    /// Set where a group goes on. Its consumers have to be stopped.
    #[command(after_help = "Examples:\n  tidemill group reset billing --to earliest\n  \
                            tidemill group reset billing --topic orders --topic refunds:0,3 --to 2026-07-01T00:00:00Z\n  \
                            tidemill group reset billing --by -100 --dry-run")]
    Reset(ResetArgs),
    /// Delete a group with its offsets. Its consumers have to be stopped.
    #[command(after_help = "Example:\n  tidemill group delete billing")]
    Delete {
        /// Name of the group.
        group: String,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("destination").required(true).args(["to", "by"]))]
struct ResetArgs {
    /// Name of the group.
    group: String,
    /// Only this topic, or these partitions of it; may be given several times. Default: all partitions
    /// that the group has committed.
    #[arg(long = "topic", value_name = "TOPIC[:PARTITION,…]", value_parser = parse_topic)]
    topics: Vec<TopicSelection>,
    /// `earliest`, `latest`, an offset, or a time: the first record of that time or later.
    #[arg(long, value_name = "earliest|latest|OFFSET|TIME", value_parser = parse_to)]
    to: Option<NewPosition>,
    /// So many records further on than now, or back.
    #[arg(long, value_name = "±RECORDS", allow_negative_numbers = true)]
    by: Option<i64>,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
}

fn parse_topic(text: &str) -> Result<TopicSelection, String> {
    let Some((topic, partitions)) = text.split_once(':') else {
        return Ok(TopicSelection { topic: text.to_owned(), partitions: None });
    };
    let partitions: Result<Vec<u32>, _> = partitions.split(',').map(str::parse).collect();
    match partitions {
        Ok(partitions) => {
            Ok(TopicSelection { topic: topic.to_owned(), partitions: Some(partitions) })
        }
        Err(_) => Err("behind the colon stand partitions, such as orders:0,3".to_owned()),
    }
}

fn parse_to(text: &str) -> Result<NewPosition, String> {
    match text {
        "earliest" => return Ok(NewPosition::Earliest),
        "latest" => return Ok(NewPosition::Latest),
        _ => {}
    }
    if let Ok(offset) = text.parse::<u64>() {
        return i64::try_from(offset)
            .map(NewPosition::Offset)
            .map_err(|_| "the offset is too large".to_owned());
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(NewPosition::Timestamp(time.timestamp_millis())),
        Err(_) => {
            Err("neither `earliest`, `latest`, an offset, nor a time such as 2026-07-01T00:00:00Z"
                .to_owned())
        }
    }
}

pub async fn run(args: GroupArgs, output: Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    match args.command {
        GroupCommand::List => {
            let groups: GroupList = client.get_json("/api/v1/groups").await?;
            output.print(&groups, list_text)
        }
        GroupCommand::Describe { group } => {
            let described: GroupDescription = client.get_json(&client.group_path(&group)).await?;
            output.print(&described, describe_text)
        }
        GroupCommand::Reset(reset) => {
            let path = format!("{}/reset", client.group_path(&reset.group));
            let plan: ResetPlan = client.post_json(&path, &reset.into_request()).await?;
            output.print(&plan, reset_text)
        }
        GroupCommand::Delete { group } => {
            client.delete(&client.group_path(&group)).await?;
            output.print(&serde_json::json!({ "deleted": group }), |_| {
                format!("deleted group `{group}`")
            })
        }
    }
}

impl ResetArgs {
    fn into_request(self) -> GroupReset {
        GroupReset {
            topics: Some(self.topics).filter(|topics| !topics.is_empty()),
            // One of the two is there: clap has seen to it.
            to: self.to.unwrap_or(NewPosition::By(self.by.unwrap_or_default())),
            dry_run: self.dry_run,
        }
    }
}

fn list_text(groups: &GroupList) -> String {
    if groups.groups.is_empty() {
        return "no groups yet; a consumer with a `group.id` makes one".to_owned();
    }
    let mut rows = table(&["GROUP", "STATE", "MEMBERS", "KIND"]);
    for group in &groups.groups {
        let kind = match &group.pipeline {
            Some(pipeline) => format!("pipeline {pipeline}"),
            None => group.protocol_type.clone(),
        };
        rows.add_row([group.name.clone(), group.state.clone(), group.members.to_string(), kind]);
    }
    rows.trim_fmt()
}

fn describe_text(group: &GroupDescription) -> String {
    let mut text = format!("group: {}\nstate: {}\n", group.name, group.state);
    if let Some(pipeline) = &group.pipeline {
        text += &format!("holds the positions of: pipeline {pipeline}\n");
    }
    if let Some(protocol) = &group.protocol {
        text += &format!("divides partitions by: {protocol}\n");
    }
    text += &format!("lag: {} record(s)\n", group.lag);
    if !group.members.is_empty() {
        let mut rows = table(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"]);
        for member in &group.members {
            let partitions: usize = member.assigned.iter().map(|it| it.partitions.len()).sum();
            rows.add_row([
                member.id.clone(),
                member.instance.clone().unwrap_or_else(|| "-".to_owned()),
                member.client_id.clone(),
                member.client_host.clone(),
                partitions.to_string(),
            ]);
        }
        text += &format!("\n{}\n", rows.trim_fmt());
    }
    if group.partitions.is_empty() {
        return text + "\nnothing committed";
    }
    let mut rows =
        table(&["TOPIC", "PARTITION", "OFFSET", "LOG START", "LOG END", "LAG", "MEMBER"]);
    for partition in &group.partitions {
        rows.add_row([
            partition.topic.clone(),
            partition.partition.to_string(),
            partition.offset.to_string(),
            partition.log_start.to_string(),
            partition.log_end.to_string(),
            partition.lag.to_string(),
            partition.member.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    text + "\n" + &rows.trim_fmt()
}

fn reset_text(plan: &ResetPlan) -> String {
    let mut rows = table(&["TOPIC", "PARTITION", "FROM", "TO"]);
    for one in &plan.partitions {
        rows.add_row([
            one.topic.clone(),
            one.partition.to_string(),
            one.from.map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
            one.to.to_string(),
        ]);
    }
    let what = if plan.dry_run { "would go on" } else { "goes on" };
    format!("group `{}` {what} at:\n\n{}", plan.group, rows.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_as_they_are_written() {
        for (text, expected) in [
            ("earliest", Some(NewPosition::Earliest)),
            ("latest", Some(NewPosition::Latest)),
            ("42", Some(NewPosition::Offset(42))),
            ("1970-01-01T00:00:01Z", Some(NewPosition::Timestamp(1000))),
            ("1970-01-01T01:00:01+01:00", Some(NewPosition::Timestamp(1000))),
            ("-3", None),
            ("yesterday", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_to(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn topics_as_they_are_written() {
        let all = parse_topic("orders").unwrap();
        assert_eq!((all.topic.as_str(), all.partitions), ("orders", None));
        let some = parse_topic("orders:0,3").unwrap();
        assert_eq!((some.topic.as_str(), some.partitions), ("orders", Some(vec![0, 3])));
        assert!(parse_topic("orders:").is_err() && parse_topic("orders:x").is_err());
    }
}
