//! One line of an access log, cut into its fields.
//!
//! The format: `host ident user [day/month/year:hour:minute:second zone] "request" status bytes`, then
//! `"referer" "agent"` in the Combined Log Format, then perhaps a number, the request time. A quoted
//! field ends at the first quote that no backslash precedes.

use crate::time::parse_time;
use memchr::{memchr, memchr2, memrchr};

/// Why a line is not of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The fields of a line, as they stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'l> {
    pub host: &'l [u8],
    pub user: &'l [u8],
    /// Milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// `-` where the request line is no `method target protocol`; so for the next two.
    pub method: &'l [u8],
    pub target: &'l [u8],
    pub protocol: &'l [u8],
    pub status: &'l [u8],
    pub bytes: &'l [u8],
    /// `-` where the line ends before it; so for the next.
    pub referer: &'l [u8],
    pub agent: &'l [u8],
    pub request_time: Option<&'l [u8]>,
}

const UNKNOWN: &[u8] = b"-";

impl<'l> Line<'l> {
    pub fn parse(line: &'l [u8]) -> Result<Self, Malformed> {
        let rest = &mut line.trim_ascii_end();
        let host = word(rest).ok_or(Malformed("no host at the start"))?;
        let _ident = word(rest).ok_or(Malformed("no identity after the host"))?;
        // Names of users may have blanks in them.
        let user = until(rest, b" [").ok_or(Malformed("no `[` before the time"))?;
        let time = until(rest, b"] ").ok_or(Malformed("no `]` after the time"))?;
        let time_ms = parse_time(time)
            .ok_or(Malformed("the time is not as in 10/Oct/2000:13:55:36 -0700"))?;
        let request = quoted(rest).ok_or(Malformed("no request in quotes after the time"))?;
        let (method, target, protocol) = parts(request).unwrap_or((UNKNOWN, UNKNOWN, UNKNOWN));
        let status = word(rest)
            .filter(|status| is_status(status))
            .ok_or(Malformed("the status is not three digits"))?;
        let bytes = word(rest)
            .filter(|bytes| is_size(bytes))
            .ok_or(Malformed("the size is neither a number nor `-`"))?;
        let (referer, agent) = match rest.first() {
            Some(b'"') => (
                quoted(rest).ok_or(Malformed("no quote after the referer"))?,
                quoted(rest).ok_or(Malformed("no agent in quotes after the referer"))?,
            ),
            _ => (UNKNOWN, UNKNOWN),
        };
        let request_time = match rest.is_empty() {
            true => None,
            false if is_number(rest) => Some(*rest),
            false => return Err(Malformed("what follows is no request time")),
        };
        Ok(Self {
            host,
            user,
            time_ms,
            method,
            target,
            protocol,
            status,
            bytes,
            referer,
            agent,
            request_time,
        })
    }

    /// The target without its query.
    pub fn path(&self) -> &'l [u8] {
        memchr(b'?', self.target).and_then(|end| self.target.get(..end)).unwrap_or(self.target)
    }
}

/// Takes a field that a blank or the end follows.
fn word<'l>(rest: &mut &'l [u8]) -> Option<&'l [u8]> {
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(end)?;
    *rest = after.strip_prefix(b" ").unwrap_or(after);
    (!word.is_empty()).then_some(word)
}

/// Takes what stands before the two bytes of `mark`, and the mark.
fn until<'l>(rest: &mut &'l [u8], mark: &[u8; 2]) -> Option<&'l [u8]> {
    let mut from = 0;
    loop {
        let end = from + memchr(mark[0], rest.get(from..)?)?;
        let after = rest.get(end + 1..)?;
        if after.first() == Some(&mark[1]) {
            let field = rest.get(..end)?;
            *rest = after.get(1..)?;
            return Some(field);
        }
        from = end + 1;
    }
}

/// Takes a field in quotes, and the blank after it.
fn quoted<'l>(rest: &mut &'l [u8]) -> Option<&'l [u8]> {
    let inside = rest.strip_prefix(b"\"")?;
    let mut end = 0;
    loop {
        end += memchr2(b'"', b'\\', inside.get(end..)?)?;
        if inside.get(end) == Some(&b'"') {
            break;
        }
        // A backslash takes the byte after it along.
        end += 2;
    }
    let (field, after) = (inside.get(..end)?, inside.get(end + 1..)?);
    *rest = match after {
        [] => after,
        [b' ', after @ ..] => after,
        _ => return None,
    };
    Some(field)
}

/// Method, target and protocol of a request line; HTTP/0.9 has no protocol.
fn parts(request: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let rest = &mut &request[..];
    let method = word(rest)?;
    let (target, protocol) = match memrchr(b' ', rest) {
        Some(blank) => (rest.get(..blank)?, rest.get(blank + 1..)?),
        None => (*rest, UNKNOWN),
    };
    let is_method =
        method.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    (is_method && !target.is_empty()).then_some((method, target, protocol))
}

fn is_status(status: &[u8]) -> bool {
    status.len() == 3 && status.iter().all(u8::is_ascii_digit)
}

fn is_size(size: &[u8]) -> bool {
    size == UNKNOWN || size.len() <= 19 && size.iter().all(u8::is_ascii_digit)
}

/// Digits with at most one point among them, as JSON allows them: `0.125`.
fn is_number(number: &[u8]) -> bool {
    let mut sides = number.splitn(2, |&byte| byte == b'.');
    let whole = sides.next().unwrap_or_default();
    let is_digits = |side: &[u8]| !side.is_empty() && side.iter().all(u8::is_ascii_digit);
    let is_plain = whole.len() == 1 || whole.first() != Some(&b'0');
    is_digits(whole) && is_plain && sides.next().is_none_or(is_digits)
}
