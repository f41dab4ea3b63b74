//! `tidemill produce`: lines of a file or of standard input become records.
//!
//! **Lines arrive in order, and a line is counted only once it is durable.** Where a request fails, the
//! command says how many lines are in the topic, so that nobody has to guess.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use reqwest::Method;
use serde::Serialize;

use super::{Connection, Failure, Output, progress_bar};
use crate::api::wire::Produced;
use crate::client::{Client, ClientError};

/// A request holds at least one line, and ends with the first one that takes it past this size.
const REQUEST_BYTES: usize = 4 << 20;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tidemill produce access-log --file /var/log/nginx/access.log\n  \
                        echo 'alice:clicked' | tidemill produce clicks --key-separator :\n  \
                        tidemill consume old --max 100 -o json | tidemill produce new --json"
)]
pub struct ProduceArgs {
    #[command(flatten)]
    connection: Connection,
    /// The topic to write to. It must exist.
    topic: String,
    /// Read lines from this file. Default: standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What stands before the first one of these in a line is the record's key.
    #[arg(short = 'k', long, value_name = "S", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key_separator: Option<String>,
    /// Write to this partition. Default: by key, or spread over all.
    #[arg(short, long)]
    partition: Option<u32>,
    /// Each line is a JSON object as `consume -o json` prints it.
    #[arg(long, conflicts_with_all = ["key_separator", "partition"])]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    topic: String,
    records: u64,
}

pub async fn run(args: ProduceArgs, output: Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let (mut input, length) = open(&args)?;
    if length.is_none() && std::io::stdin().is_terminal() {
        eprintln!("one record a line; Ctrl-D ends");
    }
    let bar = progress_bar(length, &args.topic);
    let (path, kind) =
        (target(&client, &args), if args.json { "application/x-ndjson" } else { "text/plain" });
    let mut records = 0;
    loop {
        let chunk = next_chunk(&mut input, args.file.as_ref())?;
        if chunk.is_empty() {
            break;
        }
        let bytes = chunk.len() as u64;
        match client.send::<Produced>(Method::POST, &path, kind, chunk).await {
            Ok(produced) => records += produced.records,
            Err(error) => {
                bar.abandon();
                report_partial(records, &error);
                return Err(error.into());
            }
        }
        bar.inc(if length.is_some() { bytes } else { 1 });
    }
    bar.finish_and_clear();
    let report = Report { topic: args.topic, records };
    output
        .print(&report, |report| format!("{} record(s) are in `{}`", report.records, report.topic))
}

fn open(args: &ProduceArgs) -> Result<(Box<dyn BufRead>, Option<u64>), Failure> {
    let Some(path) = &args.file else {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    };
    let failed = |source| Failure::ReadFile { path: path.clone(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), Some(length)))
}

fn target(client: &Client, args: &ProduceArgs) -> String {
    let mut query = Vec::new();
    if let Some(separator) = &args.key_separator {
        let escaped: String = separator.bytes().map(|byte| format!("%{byte:02X}")).collect();
        query.push(format!("keySeparator={escaped}"));
    }
    query.extend(args.partition.map(|partition| format!("partition={partition}")));
    format!("{}/records?{}", client.topic_path(&args.topic), query.join("&"))
}

/// Whole lines, as many as fit a request, without reading past what is there: a person who types sees each
/// line acknowledged. Empty at the end of the input.
fn next_chunk(input: &mut dyn BufRead, file: Option<&PathBuf>) -> Result<Bytes, Failure> {
    let failed = |source| match file {
        Some(path) => Failure::ReadFile { path: path.clone(), source },
        None => Failure::Stdin(source),
    };
    let mut chunk = Vec::new();
    loop {
        let line = &mut *input;
        // One more than the host takes, so that the host is who refuses a line that is too long.
        let read = line.take(REQUEST_BYTES as u64).read_until(b'\n', &mut chunk).map_err(failed)?;
        let line_goes_on = read == REQUEST_BYTES && !chunk.ends_with(b"\n");
        let more_is_there = file.is_some() || !chunk.is_empty() && !std::io::stdin().is_terminal();
        if read == 0 || chunk.len() >= REQUEST_BYTES || line_goes_on || !more_is_there {
            return Ok(chunk.into());
        }
    }
}

fn report_partial(earlier: u64, error: &ClientError) {
    let lost_answer = matches!(error, ClientError::Broken { .. });
    let acknowledged = match error {
        ClientError::Refused { problem, .. } => {
            problem.acknowledged.as_ref().map_or(0, |produced| produced.records)
        }
        _ => 0,
    };
    let total = earlier + acknowledged;
    eprintln!(
        "{total} record(s) of the input are in the topic{}",
        if lost_answer { ", perhaps more: the last answer was lost" } else { "" }
    );
}
