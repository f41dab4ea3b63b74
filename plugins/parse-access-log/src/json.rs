//! A line as a JSON object.

use crate::line::Line;
use core::fmt::Write;
use tidemill_sdk::prelude::*;

/// Writes all fields of `line`. Bytes that are not UTF-8 become U+FFFD, for JSON is text.
pub fn write(line: &Line, keep_query: bool, out: &mut Bytes) {
    let path = if keep_query { line.target } else { line.path() };
    out.push(b"{\"time\":");
    // A buffer takes all that is written.
    let _ = write!(out, "{}", line.time_ms);
    for (name, text) in [
        ("host", line.host),
        ("user", line.user),
        ("method", line.method),
        ("path", path),
        ("protocol", line.protocol),
        ("referer", line.referer),
        ("agent", line.agent),
    ] {
        member(out, name);
        string(out, text);
    }
    member(out, "status");
    number(out, line.status);
    member(out, "bytes");
    number(out, if line.bytes == b"-" { b"0" } else { line.bytes });
    member(out, "request_time");
    out.push(line.request_time.unwrap_or(b"null"));
    out.push_byte(b'}');
}

fn member(out: &mut Bytes, name: &str) {
    out.push(b",\"");
    out.push(name.as_bytes());
    out.push(b"\":");
}

/// JSON has no leading zeros.
fn number(out: &mut Bytes, digits: &[u8]) {
    let first = digits.iter().position(|&digit| digit != b'0');
    out.push(first.and_then(|first| digits.get(first..)).unwrap_or(b"0"));
}

fn string(out: &mut Bytes, text: &[u8]) {
    out.push_byte(b'"');
    for chunk in text.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.push("\u{fffd}".as_bytes());
        }
    }
    out.push_byte(b'"');
}

fn escaped(out: &mut Bytes, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        let (plain, special) = rest.split_at(at);
        out.push(plain);
        let Some((&byte, after)) = special.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.push(&[b'\\', byte]),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = after;
    }
    out.push(rest);
}
