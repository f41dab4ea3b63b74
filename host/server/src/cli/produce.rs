//! `tidemill produce`: lines of a file or of standard input become records.
//!
//! **Lines arrive in order, and a line is counted only once it is durable.** Where a request fails, the
//! command says how many lines are in the topic, so that nobody has to guess.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde::Serialize;

use super::{Connection, Failure, Output, progress_bar};
use crate::api::wire::Produced;
use crate::client::{Client, ClientError};

/// A request of a file's lines has about so many bytes.
const REQUEST_BYTES: usize = 4 << 20;
/// No host takes a longer line.
const LINE_BYTES_MAX: usize = 64 << 20;

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
        let chunk =
            next_chunk(&mut input, args.file.is_some()).map_err(|source| match &args.file {
                Some(path) => Failure::ReadFile { path: path.clone(), source },
                None => Failure::Stdin(source),
            })?;
        if chunk.is_empty() {
            break;
        }
        let bytes = chunk.len() as u64;
        match client.send::<Produced>(Method::POST, &path, kind, chunk.into()).await {
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

/// Whole lines: of a file as many as fit a request; of a pipe or a person what is there, so that nothing waits
/// for what may come much later. Empty at the end of the input.
fn next_chunk(input: &mut dyn BufRead, is_file: bool) -> std::io::Result<Vec<u8>> {
    let mut chunk = Vec::new();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(chunk);
        }
        let end_of_lines = memchr::memrchr(b'\n', available).map(|at| at + 1);
        let taken = end_of_lines.unwrap_or(available.len());
        chunk.extend_from_slice(&available[..taken]);
        input.consume(taken);
        let is_enough = !is_file || chunk.len() >= REQUEST_BYTES;
        // A line that no host takes is sent as far as it was read: the host says what is wrong with it.
        if (end_of_lines.is_some() && is_enough) || chunk.len() > REQUEST_BYTES + LINE_BYTES_MAX {
            return Ok(chunk);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &[u8], is_file: bool) -> Vec<Vec<u8>> {
        let mut input = BufReader::with_capacity(5, text);
        std::iter::from_fn(|| Some(next_chunk(&mut input, is_file).unwrap()))
            .take_while(|chunk| !chunk.is_empty())
            .collect()
    }

    #[test]
    fn a_pipe_is_sent_as_it_comes_and_a_file_in_large_pieces() {
        let text = b"a\nbb\nlonger than a read\nlast";
        let piped = chunks(text, false);
        assert!(piped.len() > 2 && piped.concat() == text);
        assert!(piped.iter().rev().skip(1).all(|chunk| chunk.ends_with(b"\n")));
        assert_eq!(chunks(text, true), [text.to_vec()]);
        assert!(chunks(b"", false).is_empty());
    }
}
