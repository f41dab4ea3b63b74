//! `tidemill consume`: the records of a topic, committed ones only.

use clap::Args;

use super::output::write_line;
use super::{Connection, Failure, Output};
use crate::api::wire::{self, WireRecord};

#[derive(Args)]
#[command(after_help = "Examples:\n  tidemill consume page-latency --max 10\n  \
                        tidemill consume page-latency --from latest\n  \
                        tidemill consume words --partition 0 --from 1200 -o json --follow")]
pub struct ConsumeArgs {
    #[command(flatten)]
    connection: Connection,
    /// The topic to read.
    topic: String,
    /// `earliest`, `latest` (what comes from now on) or an offset.
    #[arg(long, default_value = "earliest", value_name = "earliest|latest|OFFSET", value_parser = parse_from)]
    from: String,
    /// Stop after so many records.
    #[arg(short = 'n', long)]
    max: Option<u64>,
    /// Only this partition. Default: all, one after the other.
    #[arg(short, long)]
    partition: Option<u32>,
    /// At the end, wait for more. `--from latest` does so in any case.
    #[arg(short, long)]
    follow: bool,
    /// Print the key and this before each value. A record without a key has `null`.
    #[arg(short = 'k', long, value_name = "S")]
    key_separator: Option<String>,
}

fn parse_from(text: &str) -> Result<String, String> {
    match text {
        "earliest" | "latest" => Ok(text.to_owned()),
        number => match number.parse::<u64>() {
            Ok(offset) if i64::try_from(offset).is_ok() => Ok(text.to_owned()),
            _ => Err("neither `earliest`, `latest` nor an offset".to_owned()),
        },
    }
}

pub async fn run(args: ConsumeArgs, output: Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let mut lines = client.stream(&source(&client.topic_path(&args.topic), &args)).await?;
    while let Some(line) = lines.next().await? {
        match output {
            Output::Json => write_line(line)?,
            Output::Text => {
                write_line(&text_of(line, args.key_separator.as_deref(), client.host())?)?
            }
        }
    }
    Ok(())
}

fn source(topic: &str, args: &ConsumeArgs) -> String {
    let mut query = vec![format!("from={}", args.from)];
    query.extend(args.max.map(|max| format!("max={max}")));
    query.extend(args.partition.map(|partition| format!("partition={partition}")));
    if args.follow || args.from == "latest" {
        query.push("follow=true".to_owned());
    }
    format!("{topic}/records?{}", query.join("&"))
}

/// The value's own bytes, whatever they are, behind the key where that is wanted.
fn text_of(line: &[u8], key_separator: Option<&str>, host: &str) -> Result<Vec<u8>, Failure> {
    let answer = |source| {
        Failure::Client(crate::client::ClientError::Answer { host: host.to_owned(), source })
    };
    let record: WireRecord<'_> = serde_json::from_slice(line).map_err(answer)?;
    let bytes = |text, encoding| {
        wire::decode(text, encoding).map_err(|error| answer(serde::de::Error::custom(error)))
    };
    let mut printed = Vec::new();
    if let Some(separator) = key_separator {
        printed.extend_from_slice(
            bytes(&record.key, record.key_encoding)?.as_deref().unwrap_or(b"null"),
        );
        printed.extend_from_slice(separator.as_bytes());
    }
    printed.extend_from_slice(
        bytes(&record.value, record.value_encoding)?.as_deref().unwrap_or_default(),
    );
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::{parse_from, text_of};

    #[test]
    fn from_is_a_word_or_an_offset() {
        for good in ["earliest", "latest", "0", "9223372036854775807"] {
            assert!(parse_from(good).is_ok(), "{good}");
        }
        for bad in ["", "-1", "first", "1.5", "9223372036854775808"] {
            assert!(parse_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_is_printed_as_its_own_bytes() {
        let line = br#"{"key":"a","value":"//4=","valueEncoding":"base64"}"#;
        assert_eq!(text_of(line, None, "").unwrap(), [0xff, 0xfe]);
        assert_eq!(text_of(line, Some("\t"), "").unwrap(), [b'a', b'\t', 0xff, 0xfe]);
        assert_eq!(text_of(br#"{"key":null,"value":null}"#, Some(":"), "").unwrap(), b"null:");
    }
}
