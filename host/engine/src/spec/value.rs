//! Single values: names, durations, bytes, places of storage. Each is text from a person.
//! **Every value has bounds**: what is absurd is refused here, not found out at run time.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

use super::raw::Quantity;
use super::types::PluginRef;

/// Characters of a name, so that it fits into topics and paths made from it.
const NAME_CHARS_MAX: usize = 100;
/// As in Kafka.
const TOPIC_CHARS_MAX: usize = 249;
/// Topics that the engine makes for itself.
const INTERNAL_TOPIC_PREFIX: &str = "tidemill.";

/// What is wrong with a value, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

pub(super) fn name(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("`{text}` is not a name"),
        format!("a name has 1 to {NAME_CHARS_MAX} letters (a to z), digits, `-` and `_`"),
    ))
}

pub(super) fn topic(text: &str) -> Result<String, Wrong> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = 1..=TOPIC_CHARS_MAX;
    if length.contains(&text.len()) && text.chars().all(fits) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("`{text}` is not a topic's name"),
        format!("a topic's name has 1 to {TOPIC_CHARS_MAX} letters, digits, `-`, `_` and `.`"),
    ))
}

/// A topic that a sink may write.
pub(super) fn output_topic(text: &str) -> Result<String, Wrong> {
    if text.starts_with(INTERNAL_TOPIC_PREFIX) || text.starts_with("__") {
        return Err(Wrong::new(
            format!("a sink cannot write the internal topic `{text}`"),
            format!(
                "names that begin with `{INTERNAL_TOPIC_PREFIX}` or `__` are kept for the host"
            ),
        ));
    }
    topic(text)
}

pub(super) fn plugin(text: &str) -> Result<PluginRef, Wrong> {
    let fits = match (text.strip_prefix("sha256:"), text.split_once('@')) {
        (Some(digest), _) => {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            digest.len() == 64 && digest.chars().all(hex)
        }
        (None, Some((plugin, version))) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
            let length = 1..=NAME_CHARS_MAX;
            name(plugin).is_ok() && length.contains(&version.len()) && version.chars().all(fits)
        }
        (None, None) => name(text).is_ok(),
    };
    if fits {
        return Ok(PluginRef(text.to_owned()));
    }
    Err(Wrong::new(
        format!("`{text}` is not a reference to a plugin"),
        "write `name`, `name@1.2.3` or `sha256:` and 64 digits of 0 to 9 and a to f",
    ))
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    // The one host name that needs no look-up.
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let parsed = address.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
    parsed.ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is not an address"),
            "write an IP address and a port, such as \"127.0.0.1:9999\" or \"[::1]:9999\"",
        )
    })
}

pub(super) fn files(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(
            "the pattern is empty",
            "write, for example, \"/var/log/app/*.log\"",
        ));
    }
    if text.contains("://") {
        return Err(Wrong::new(
            format!("`{text}` is a URL, but a source reads local files"),
            "write a path, for example \"/var/log/app/*.log\"",
        ));
    }
    match glob::Pattern::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Wrong::new(
            format!("`{text}` is not a pattern: {}, at character {}", error.msg, error.pos + 1),
            "`*`, `?`, `[a-z]` and `**` are understood; write `[*]` for a plain `*`",
        )),
    }
}

/// A parsed place to store objects in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Storage {
    /// An absolute folder.
    Folder(PathBuf),
    /// A bucket and the path in it, without slashes around it.
    Bucket { bucket: String, prefix: String },
}

/// Reads `file:///folder` or `s3://bucket/prefix`.
pub(crate) fn storage(text: &str) -> Result<Storage, Wrong> {
    let how = "write \"file:///absolute/folder\" or \"s3://bucket/prefix\"";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Err(Wrong::new(format!("`{text}` is not a URL: {error}"), how)),
    };
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        let message = format!("`{text}` has more than a place to store files in");
        return Err(Wrong::new(message, "keys and endpoint of S3 come from the variables AWS_*"));
    }
    match (url.scheme(), url.host_str()) {
        ("file", None) if text.starts_with("file:///") => {
            let folder = url.to_file_path().ok().filter(|folder| folder.parent().is_some());
            let folder = folder.ok_or_else(|| {
                Wrong::new(format!("`{text}` names no folder below the root"), how)
            })?;
            Ok(Storage::Folder(folder))
        }
        ("file", _) => Err(Wrong::new(
            format!("`{text}` is not an absolute path"),
            "three slashes: \"file:///srv/tidemill\" is the folder /srv/tidemill",
        )),
        ("s3", Some(bucket)) if url.port().is_none() => {
            let prefix = url.path().trim_matches('/').to_owned();
            Ok(Storage::Bucket { bucket: bucket.to_owned(), prefix })
        }
        ("s3", _) => Err(Wrong::new(format!("`{text}` names no bucket"), how)),
        (scheme, _) => {
            Err(Wrong::new(format!("files cannot be stored at `{scheme}:`"), how.to_owned()))
        }
    }
}

/// A URL that [`storage`] understands, as it was written.
pub(super) fn storage_url(text: &str) -> Result<String, Wrong> {
    storage(text).map(|_| text.to_owned())
}

/// A duration of whole milliseconds, within bounds.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, Wrong> {
    let parsed = humantime::parse_duration(text.trim()).map_err(|error| {
        let hint = "write, for example, \"250ms\", \"10s\", \"5m\", \"1h\" or \"1day\"";
        Wrong::new(format!("`{text}` is not a duration: {error}"), hint)
    })?;
    if parsed.subsec_nanos() % 1_000_000 != 0 {
        let message = format!("`{text}` is not a whole number of milliseconds");
        return Err(Wrong { message, hint: None });
    }
    if parsed < min || parsed > max {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        let message = format!("`{text}` is out of bounds");
        return Err(Wrong::new(message, format!("from {min} to {max}")));
    }
    Ok(parsed)
}

/// A number of bytes within bounds.
pub(super) fn bytes(quantity: &Quantity, min: u64, max: u64) -> Result<u64, Wrong> {
    let (written, value) = match quantity {
        Quantity::Number(number) => (number.to_string(), u64::try_from(*number).ok()),
        Quantity::Text(text) => match text.trim().parse::<ByteSize>() {
            Ok(size) => (text.clone(), Some(size.as_u64())),
            Err(_) => {
                let message = format!("`{text}` is not a number of bytes");
                return Err(Wrong::new(
                    message,
                    "write, for example, \"64MiB\", \"512KiB\" or 4096",
                ));
            }
        },
    };
    value.filter(|value| (min..=max).contains(value)).ok_or_else(|| {
        let (min, max) = (ByteSize::b(min), ByteSize::b(max));
        Wrong::new(format!("`{written}` is out of bounds"), format!("from {min} to {max}"))
    })
}

/// A whole number within bounds.
pub(super) fn whole(number: i64, min: u64, max: u64) -> Result<u64, Wrong> {
    let value = u64::try_from(number).ok().filter(|value| (min..=max).contains(value));
    value.ok_or_else(|| {
        Wrong::new(format!("`{number}` is out of bounds"), format!("from {min} to {max}"))
    })
}

/// A share in percent, as a number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, Wrong> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| {
            Wrong::new(
                format!("`{text}` is no share"),
                "write \"0%\" to \"100%\", such as \"2.5%\"",
            )
        })
}

/// One of some words, with the nearest one as hint.
pub(super) fn word<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, meant)) = known.iter().find(|(word, _)| *word == text) {
        return Ok(*meant);
    }
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    let hint = nearest_hint(text, words.iter().copied()).unwrap_or_else(|| {
        format!(
            "one of {}",
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        )
    });
    Err(Wrong::new(format!("`{text}` is not known here"), hint))
}

/// "did you mean …" for the most similar of some names, if one is similar at all.
pub(super) fn nearest_hint<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(wrong, name), name));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 > 0.75).then(|| format!("did you mean `{}`?", best.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_places_of_storage() {
        let bucket = |bucket: &str, prefix: &str| {
            Ok(Storage::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        for (text, expected) in [
            ("file:///srv/a", Ok(Storage::Folder(PathBuf::from("/srv/a")))),
            ("file:///srv/a%20b/", Ok(Storage::Folder(PathBuf::from("/srv/a b/")))),
            ("file:///", Err(())),
            ("file://srv/a", Err(())),
            ("file:srv", Err(())),
            ("/srv/a", Err(())),
            ("s3://bucket", bucket("bucket", "")),
            ("s3://bucket/a/b/", bucket("bucket", "a/b")),
            ("s3://", Err(())),
            ("s3:///a", Err(())),
            ("s3://bucket/a?b", Err(())),
            ("s3://key:secret@bucket/a", Err(())),
            ("gs://bucket/a", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(storage(text).map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn reads_references_to_plugins() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for good in ["count", "count@1.2.3", "count@1.2.3-rc.1+x", &digest] {
            assert_eq!(plugin(good).map(|found| found.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "@1", "count@", "a b", "sha256:", "sha256:0A", "../x", "a@1@2"] {
            assert!(plugin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_shares() {
        for (text, expected) in [("0%", 0.0), ("2.5 %", 0.025), ("100%", 1.0)] {
            assert_eq!(share(text), Ok(expected), "{text}");
        }
        for bad in ["", "%", "10", "-1%", "101%", "NaN%", "inf%", "a%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds_bytes_and_durations() {
        let text = |text: &str| bytes(&Quantity::Text(text.to_owned()), 1024, 1 << 30).ok();
        assert_eq!(text("64MiB"), Some(64 << 20));
        assert_eq!(text("1.5 KiB"), Some(1536));
        for bad in ["", "-1MiB", "1023", "2GiB", "9999999999999999999EiB", "NaN", "x"] {
            assert_eq!(text(bad), None, "{bad}");
        }
        assert_eq!(bytes(&Quantity::Number(-1), 0, 9).ok(), None);
        let time =
            |text: &str| duration(text, Duration::from_millis(1), Duration::from_secs(60)).ok();
        assert_eq!(time("5ms"), Some(Duration::from_millis(5)));
        assert_eq!(time("1s 500ms"), Some(Duration::from_millis(1500)));
        for bad in ["", "0s", "61s", "1500us", "-1s", "99999999999999999999y", "5"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn knows_localhost_but_no_other_host_name() {
        assert_eq!(socket("localhost:99"), Ok(SocketAddr::from(([127, 0, 0, 1], 99))));
        for bad in ["example.com:99", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", ""] {
            assert!(socket(bad).is_err(), "{bad}");
        }
    }
}
