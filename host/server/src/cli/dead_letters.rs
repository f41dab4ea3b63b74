//! `tidemill pipeline dead-letters`: list, show, retry, export.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::output::{table, write_line};
use super::{Failure, Output};
use crate::api::wire::{self, DeadLetter, DeadLetterPage, RetriedLetters, RetryRequest};
use crate::client::{Client, query};

/// A reason is cut to this in the table.
const REASON_CHARS_MAX: usize = 60;
/// Bytes in a line of a value that is shown in hexadecimal.
const HEX_BYTES: usize = 16;

#[derive(Args)]
#[command(after_help = "Examples:\n  tidemill pipeline dead-letters orders\n  \
                  tidemill pipeline dead-letters orders show 0-12\n  \
                  tidemill pipeline dead-letters orders retry --all\n  \
                  tidemill pipeline dead-letters orders export --file letters.ndjson")]
pub struct DeadLetterArgs {
    /// Name of the pipeline.
    pipeline: String,
    #[command(subcommand)]
    command: Option<DeadLetterCommand>,
}

#[derive(Subcommand)]
enum DeadLetterCommand {
    /// List the dead letters that wait to be retried.
    #[command(
        after_help = "Examples:\n  tidemill pipeline dead-letters orders list --operator parse\n  tidemill pipeline dead-letters orders list --reason timeout --all -o json"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(short = 'n', long, default_value_t = 100)]
        max: usize,
        /// Only those behind this one: the next page.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
    },
    /// Show one with its headers, its backtrace and its whole value.
    #[command(after_help = "Example:\n  tidemill pipeline dead-letters orders show 0-12")]
    Show {
        /// `PARTITION-OFFSET`, with the topic in front where there are several.
        id: String,
    },
    /// Send letters through their operators again, each exactly once, in the pipeline's next batches.
    #[command(
        after_help = "Examples:\n  tidemill pipeline dead-letters orders retry 0-12 0-15\n  tidemill pipeline dead-letters orders retry --operator parse\n  tidemill pipeline dead-letters orders retry --all"
    )]
    Retry {
        /// These letters.
        #[arg(
            required_unless_present_any = ["all", "operator", "reason"],
            conflicts_with_all = ["all", "operator", "reason"]
        )]
        ids: Vec<String>,
        /// All that were not retried yet.
        #[arg(long)]
        all: bool,
        /// Only those of this operator.
        #[arg(long)]
        operator: Option<String>,
        /// Only those of this kind, or with this in their reason.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write letters as JSON, one a line.
    #[command(
        after_help = "Example:\n  tidemill pipeline dead-letters orders export --all --file letters.ndjson"
    )]
    Export {
        #[command(flatten)]
        which: Which,
        /// Where to. Default: the standard output.
        #[arg(short, long)]
        file: Option<PathBuf>,
    },
}

#[derive(Args, Default)]
struct Which {
    /// Only those of this operator.
    #[arg(long)]
    operator: Option<String>,
    /// Only those of this kind (`rejected`, `trap`, `timeout`, …), or with this in their reason.
    #[arg(long)]
    reason: Option<String>,
    /// Those that were retried, too.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn query(&self) -> Vec<(&'static str, String)> {
        let parts = [("operator", self.operator.clone()), ("reason", self.reason.clone())];
        let given = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.chain(self.all.then(|| ("all", "true".to_owned()))).collect()
    }
}

pub async fn run(client: &Client, args: DeadLetterArgs, output: Output) -> Result<(), Failure> {
    let path = format!("{}/dead-letters", client.pipeline_path(&args.pipeline));
    let list = DeadLetterCommand::List { which: Which::default(), max: 100, after: None };
    match args.command.unwrap_or(list) {
        DeadLetterCommand::List { which, max, after } => {
            let mut parts = which.query();
            parts.push(("max", max.to_string()));
            parts.extend(after.map(|after| ("after", after)));
            let page: DeadLetterPage = client.get_json(&format!("{path}{}", query(&parts))).await?;
            output.print(&page, |page| page_text(page, &args.pipeline))
        }
        DeadLetterCommand::Show { id } => {
            let letter: DeadLetter = client.get_json(&client.below(&path, &id)).await?;
            output.print(&letter, letter_text)
        }
        DeadLetterCommand::Retry { ids, all, operator, reason } => {
            let request = RetryRequest { ids, all, operator, reason };
            let retried = retry(client, &path, &request).await?;
            output.print(&retried, retried_text)
        }
        DeadLetterCommand::Export { which, file } => {
            export(client, &format!("{path}/export{}", query(&which.query())), file).await
        }
    }
}

/// The host retries so many at a time.
async fn retry(
    client: &Client,
    path: &str,
    request: &RetryRequest,
) -> Result<RetriedLetters, Failure> {
    let body = bytes::Bytes::from(serde_json::to_vec(request).map_err(Failure::Encode)?);
    let mut all = RetriedLetters { retried: 0, before: 0, more: true };
    while all.more {
        let path = format!("{path}/retry");
        let some: RetriedLetters =
            client.send(Method::POST, &path, "application/json", body.clone()).await?;
        all.retried += some.retried;
        all.before += some.before;
        all.more = some.more && some.retried > 0;
    }
    Ok(all)
}

async fn export(client: &Client, path: &str, file: Option<PathBuf>) -> Result<(), Failure> {
    let mut lines = client.stream(path).await?;
    let Some(path) = file else {
        while let Some(line) = lines.next().await? {
            write_line(line)?;
        }
        return Ok(());
    };
    let failed = |source| Failure::WriteFile { path: path.clone(), source };
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).map_err(failed)?);
    let mut letters = 0_u64;
    while let Some(line) = lines.next().await? {
        use std::io::Write;
        out.write_all(line).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
        letters += 1;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    write_line(format!("{letters} dead letters in {}", path.display()).as_bytes())
}

fn page_text(page: &DeadLetterPage, pipeline: &str) -> String {
    if page.letters.is_empty() {
        return "no dead letters; --all shows those that were retried, too".to_owned();
    }
    let mut rows =
        table(&["ID", "OPERATOR", "KIND", "ATTEMPT", "BATCH", "SOURCE", "RETRIED", "REASON"]);
    for entry in &page.letters {
        let letter = &entry.letter;
        rows.add_row([
            entry.id.clone(),
            letter.operator.clone(),
            letter.kind.clone(),
            letter.attempt.to_string(),
            letter.batch.to_string(),
            source_text(entry),
            if entry.retried { "yes" } else { "no" }.to_owned(),
            cut(&letter.reason),
        ]);
    }
    let mut text = rows.trim_fmt();
    if let Some(next) = &page.next {
        text.push_str(&format!(
            "\nmore: tidemill pipeline dead-letters {pipeline} list --after {next}"
        ));
    }
    text
}

fn source_text(entry: &DeadLetter) -> String {
    let source = entry.letter.source.as_ref();
    source.map_or_else(
        || "-".to_owned(),
        |place| format!("{}-{}@{}", place.topic, place.partition, place.offset),
    )
}

fn cut(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    if line.chars().count() <= REASON_CHARS_MAX && line.len() == reason.len() {
        return line.to_owned();
    }
    line.chars().take(REASON_CHARS_MAX).chain(['…']).collect()
}

fn letter_text(entry: &DeadLetter) -> String {
    let letter = &entry.letter;
    let mut text = format!(
        "dead letter {}, attempt {}{}\noperator: {} ({}@{}, {})\nbatch: {} at {}\nsource: {}\n{}: {}",
        entry.id,
        letter.attempt,
        if entry.retried { ", retried" } else { "" },
        letter.operator,
        letter.plugin,
        letter.version,
        letter.digest,
        letter.batch,
        letter.time_ms,
        source_text(entry),
        letter.kind,
        letter.reason,
    );
    if let Some(backtrace) = &letter.backtrace {
        text.push_str(&format!("\nbacktrace:\n  {}", backtrace.trim_end().replace('\n', "\n  ")));
    }
    text.push_str("\nheaders:");
    for header in entry.headers.iter().filter(|header| !header.name.starts_with("dead-letter.")) {
        let value = bytes_text(header.value.as_deref(), header.value_encoding);
        text.push_str(&format!("\n  {}: {value}", header.name));
    }
    text.push_str(&format!("\ntimestamp: {}", entry.timestamp));
    text.push_str(&format!("\nkey: {}", bytes_text(entry.key.as_deref(), entry.key_encoding)));
    text.push_str(&format!(
        "\nvalue: {}",
        bytes_text(entry.value.as_deref(), entry.value_encoding)
    ));
    text
}

/// Text as it is, other bytes in hexadecimal.
fn bytes_text(text: Option<&str>, encoding: Option<wire::Encoding>) -> String {
    match (text, encoding) {
        (None, _) => "(none)".to_owned(),
        (Some(text), None) => text.to_owned(),
        (Some(text), Some(_)) => match wire::decode(&Some(text.into()), encoding) {
            Ok(Some(bytes)) => hex(&bytes),
            _ => text.to_owned(),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!(" {byte:02x}")).collect::<String>();
    bytes.chunks(HEX_BYTES).map(|chunk| format!("\n {}", line(chunk))).collect()
}

fn retried_text(retried: &RetriedLetters) -> String {
    let RetriedLetters { retried, before, .. } = retried;
    let mut text = format!("{retried} dead letters go through their operators again");
    if *before > 0 {
        text.push_str(&format!("; {before} were retried before"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_or_hexadecimal() {
        assert_eq!(bytes_text(None, None), "(none)");
        assert_eq!(bytes_text(Some("ü"), None), "ü");
        let (text, encoding) = wire::encode(Some(&[0xff, 0x00, 0x1a]));
        assert_eq!(bytes_text(text.as_deref(), encoding), "\n  ff 00 1a");
        assert_eq!(hex(&[7; 17]).lines().count(), 3);
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut("two\nlines"), "two…");
        assert_eq!(cut(&"x".repeat(100)).chars().count(), REASON_CHARS_MAX + 1);
    }
}
