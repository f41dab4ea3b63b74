//! Takes records from the lines of an access log in Combined Log Format.
//!
//! A line becomes one record: its key and value are fields of the line, its timestamp the line's time.
//! The fields are slices of the line as it is; nothing is unescaped.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod json;
mod line;
mod time;

use line::{Line, Malformed};
use tidemill_sdk::prelude::*;

/// What a pipeline can set.
#[derive(Clone, Copy, Debug, Parameters)]
pub struct ParseAccessLog {
    /// The field that becomes the key; `none` keeps the key of the line's own record.
    #[parameter(default = Key::Path)]
    pub key: Key,
    /// The field that becomes the value, or `json` for all of them; `line` keeps the line.
    #[parameter(default = Value::RequestTime)]
    pub value: Value,
    /// Keep the query (from the `?` on) as part of the path.
    #[parameter(default = false)]
    pub keep_query: bool,
    /// What to do with a line that is not of the format, or lacks the field of the value.
    #[parameter(default = OnMalformed::Reject)]
    pub malformed: OnMalformed,
}

/// The fields that can be the key.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The path that was asked for.
    Path,
    /// The client's name or address.
    Host,
    /// The user, `-` where there is none.
    User,
    /// The method, such as `GET`.
    Method,
    /// The status code.
    Status,
    /// The page that linked here.
    Referer,
    /// The browser.
    Agent,
    /// As in the line's own record.
    None,
}

/// The fields that can be the value.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The number at the end of the line.
    RequestTime,
    /// Bytes sent; `-` counts as 0.
    Bytes,
    /// The status code.
    Status,
    /// All fields, as a JSON object.
    Json,
    /// The line as it is.
    Line,
}

/// What to do with a line that is not of the format.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMalformed {
    /// Reject the record; the operator's policy says what happens to it.
    Reject,
    /// Leave it out.
    Skip,
}

/// Takes key, value and event time from the lines of an access log in Combined Log Format.
#[transform(name = "parse-access-log", reads(values))]
pub fn parse_access_log(
    settings: &ParseAccessLog,
    record: Record,
    out: &mut Emitter,
) -> Result<(), Reject> {
    match parse(settings, record.value(), out) {
        Err(Malformed(_)) if settings.malformed == OnMalformed::Skip => Ok(()),
        Err(Malformed(reason)) => Err(Reject::new(reason)),
        Ok(()) => Ok(()),
    }
}

fn parse(settings: &ParseAccessLog, value: &[u8], out: &mut Emitter) -> Result<(), Malformed> {
    let line = Line::parse(value)?;
    let path = if settings.keep_query { line.target } else { line.path() };
    let draft = out.record().timestamp(line.time_ms);
    let key = match settings.key {
        Key::Path => path,
        Key::Host => line.host,
        Key::User => line.user,
        Key::Method => line.method,
        Key::Status => line.status,
        Key::Referer => line.referer,
        Key::Agent => line.agent,
        Key::None => return with_value(settings, &line, draft),
    };
    with_value(settings, &line, draft.key(key))
}

#[inline(always)]
fn with_value<K: Content>(
    settings: &ParseAccessLog,
    line: &Line,
    draft: Draft<K>,
) -> Result<(), Malformed> {
    match settings.value {
        Value::RequestTime => {
            draft.value(line.request_time.ok_or(Malformed("no request time at the end"))?).emit()
        }
        Value::Bytes => draft.value(if line.bytes == b"-" { b"0" } else { line.bytes }).emit(),
        Value::Status => draft.value(line.status).emit(),
        Value::Json => draft.value(with(|out| json::write(line, settings.keep_query, out))).emit(),
        Value::Line => draft.emit(),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
