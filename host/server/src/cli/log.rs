//! `tidemill log`: verify and dump the log of a folder that no host has open. **Nothing is changed.**

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use tidemill_log::{
    Batch, Codec, ControlKind, Dump, DumpError, DumpedBatch, Environment, Log, Record,
    RecordReader, Verified,
};

use super::output::write_line;
use super::{Failure, Output};
use crate::api::wire;
use crate::host::Layout;

#[derive(Args)]
#[command(after_help = "Example:\n  tidemill log verify ./data")]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Subcommand)]
enum LogCommand {
    /// Read every byte, and say what is wrong.
    #[command(after_help = "Example:\n  tidemill log verify ./data")]
    Verify {
        /// A host's data folder.
        dir: PathBuf,
    },
    /// Print the batches, with their records.
    #[command(
        after_help = "Examples:\n  tidemill log dump ./data --topic access-log\n  tidemill log dump ./data --headers -o json"
    )]
    Dump(DumpArgs),
}

#[derive(Args)]
struct DumpArgs {
    /// A host's data folder.
    dir: PathBuf,
    /// Only this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only this partition.
    #[arg(long)]
    partition: Option<u32>,
    /// Batches without their records.
    #[arg(long)]
    headers: bool,
}

pub async fn run(args: LogArgs, output: Output) -> Result<(), Failure> {
    match args.command {
        LogCommand::Verify { dir } => verify(&dir, output),
        LogCommand::Dump(args) => dump(&args, output),
    }
}

fn failure(dir: &Path, error: DumpError) -> Failure {
    Failure::Log {
        path: dir.to_owned(),
        hint: Some(error.hint().to_owned()),
        source: Box::new(error),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyReport {
    sound: bool,
    partitions: u64,
    segments: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    torn_bytes: u64,
    findings: Vec<String>,
}

fn verify(dir: &Path, output: Output) -> Result<(), Failure> {
    let verified = Log::verify(&Layout::log_of(dir), &Environment::real())
        .map_err(|error| failure(dir, error))?;
    let report = VerifyReport {
        sound: verified.is_sound(),
        partitions: verified.partitions,
        segments: verified.segments,
        batches: verified.batches,
        records: verified.records,
        bytes: verified.bytes,
        torn_bytes: verified.torn_bytes,
        findings: verified.findings.iter().map(ToString::to_string).collect(),
    };
    output.print(&report, verify_text)?;
    if report.sound { Ok(()) } else { Err(Failure::Damaged { damages: losses(&verified) }) }
}

fn losses(verified: &Verified) -> usize {
    verified.findings.iter().filter(|finding| finding.is_loss).count()
}

fn verify_text(report: &VerifyReport) -> String {
    let mut text = format!(
        "{} partitions, {} segments, {} batches, {} records, {} bytes",
        report.partitions, report.segments, report.batches, report.records, report.bytes
    );
    if report.torn_bytes > 0 {
        text.push_str(&format!(
            "\n{} bytes at torn ends, which were never acknowledged; the next start cuts them off",
            report.torn_bytes
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("\n{finding}"));
    }
    text.push_str(if report.sound { "\nsound" } else { "\ndamaged" });
    text
}

fn dump(args: &DumpArgs, output: Output) -> Result<(), Failure> {
    let mut damages = 0;
    for dumped in Dump::open(&Layout::log_of(&args.dir), Environment::real())
        .map_err(|error| failure(&args.dir, error))?
    {
        let dumped = dumped.map_err(|error| failure(&args.dir, error))?;
        if !args.wants(&dumped) {
            continue;
        }
        match dumped.as_batch() {
            Ok(batch) => print_batch(&dumped, &batch, args.headers, output)?,
            Err(error) => {
                damages += 1;
                print_damage(&dumped, &error.to_string(), output)?;
            }
        }
    }
    if damages == 0 { Ok(()) } else { Err(Failure::Damaged { damages }) }
}

impl DumpArgs {
    fn wants(&self, dumped: &DumpedBatch) -> bool {
        let topic = self.topic.as_deref().is_none_or(|topic| dumped.at.topic.as_str() == topic);
        topic && self.partition.is_none_or(|partition| dumped.at.partition.get() == partition)
    }
}

fn print_batch(
    dumped: &DumpedBatch,
    batch: &Batch<'_>,
    headers_only: bool,
    output: Output,
) -> Result<(), Failure> {
    let header = batch.header();
    let (topic, partition) = (dumped.at.topic.as_str(), dumped.at.partition.get());
    let control = ControlKind::of(batch).map(|kind| format!("{kind:?}").to_lowercase());
    let codec = header.attributes.codec().ok().filter(|codec| *codec != Codec::None);
    let codec = codec.map(|codec| codec.to_string());
    let line = match output {
        Output::Json => json!({
            "topic": topic, "partition": partition, "file": dumped.file, "position": dumped.position,
            "baseOffset": header.base_offset.get(), "records": header.record_count, "bytes": header.bytes,
            "producerId": header.producer_id.get(), "producerEpoch": header.producer_epoch.get(), "control": control,
            "compression": codec,
        }).to_string(),
        Output::Text => format!(
            "{topic}-{partition} offset {} ({} records, {} bytes at byte {} of {}){}{}",
            header.base_offset,
            header.record_count,
            header.bytes,
            dumped.position,
            dumped.file.file_name().unwrap_or_default().to_string_lossy(),
            control.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default(),
            codec.as_ref().map(|codec| format!(" {codec}")).unwrap_or_default(),
        ),
    };
    write_line(line.as_bytes())?;
    if headers_only || control.is_some() {
        return Ok(());
    }
    let mut reader = RecordReader::default();
    let records = reader.records(batch).map_err(|error| damage(dumped, error.to_string()))?;
    for record in records {
        print_record(
            partition,
            &record.map_err(|error| damage(dumped, error.to_string()))?,
            output,
        )?;
    }
    Ok(())
}

fn damage(dumped: &DumpedBatch, what: String) -> Failure {
    let source = format!("byte {}: {what}", dumped.position).into();
    Failure::Log {
        path: dumped.file.clone(),
        hint: Some("`tidemill log verify` checks the whole folder".to_owned()),
        source,
    }
}

fn print_record(partition: u32, record: &Record<'_>, output: Output) -> Result<(), Failure> {
    let line = match output {
        Output::Json => {
            serde_json::to_string(&wire::of_record(partition, record)).map_err(Failure::Encode)?
        }
        Output::Text => {
            let text = |bytes: Option<&[u8]>| {
                bytes.map_or_else(|| "null".to_owned(), |bytes| bytes.escape_ascii().to_string())
            };
            format!(
                "  {} at {} ms: {} = {}",
                record.offset,
                record.timestamp_ms,
                text(record.key),
                text(record.value)
            )
        }
    };
    write_line(line.as_bytes())
}

fn print_damage(dumped: &DumpedBatch, what: &str, output: Output) -> Result<(), Failure> {
    let line = match output {
        Output::Json => {
            json!({ "file": dumped.file, "position": dumped.position, "damage": what }).to_string()
        }
        Output::Text => format!("`{}`, byte {}: {what}", dumped.file.display(), dumped.position),
    };
    write_line(line.as_bytes())
}
