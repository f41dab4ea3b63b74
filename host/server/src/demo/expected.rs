//! Both results, computed from the input alone: no log, no batches, no plugins.
//!
//! **Nothing here shares code with what it checks.** Numbers are whole billionths of a second, so that sums
//! are exact in any order.

use chrono::DateTime;
use hashbrown::HashMap;

use super::input::Input;

/// The page-latency windows of the demo.
pub const WINDOW_MS: i64 = 60_000;

/// A request, as far as page-latency looks at it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub path: &'a [u8],
    pub time_ms: i64,
    pub billionths: i128,
}

/// What page-latency says of one path in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub count: u64,
    pub sum_billionths: i128,
    pub min_billionths: i128,
    pub max_billionths: i128,
}

/// By path and start of the window.
pub type Latencies = HashMap<(Vec<u8>, i64), Latency>;
pub type WordCounts = HashMap<Vec<u8>, u64>;

/// The white space of ASCII.
fn separates(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' ')
}

/// Counts words, which white space separates.
pub fn count_words<'a>(lines: impl Iterator<Item = &'a [u8]>) -> WordCounts {
    let mut counts = WordCounts::new();
    for word in lines.flat_map(|line| line.split(separates)).filter(|word| !word.is_empty()) {
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => _ = counts.insert(word.to_vec(), 1),
        }
    }
    counts
}

/// Latencies of every path and minute.
pub fn measure_pages(input: &Input) -> Latencies {
    let mut pages = Latencies::new();
    for request in input.lines().filter_map(parse) {
        let window = request.time_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        let seen = Latency {
            count: 1,
            sum_billionths: request.billionths,
            min_billionths: request.billionths,
            max_billionths: request.billionths,
        };
        let page = pages.entry((request.path.to_vec(), window));
        page.and_modify(|page| {
            page.count += 1;
            page.sum_billionths += request.billionths;
            page.min_billionths = page.min_billionths.min(request.billionths);
            page.max_billionths = page.max_billionths.max(request.billionths);
        })
        .or_insert(seen);
    }
    pages
}

/// Reads one line of Combined Log Format with the seconds at its end. Lines of the Common Log Format, which
/// end before the referer, may have seconds as well.
pub fn parse(line: &[u8]) -> Option<Request<'_>> {
    let line = line.trim_ascii_end();
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (host, ident, rest) = (words.next()?, words.next()?, words.next()?);
    let rest = &rest[memchr::memmem::find(rest, b" [")? + 2..];
    let end_of_time = memchr::memmem::find(rest, b"] ")?;
    let time_ms = parse_time(&rest[..end_of_time])?;
    let (request, rest) = quoted(&rest[end_of_time + 2..])?;
    let mut numbers = rest.splitn(3, |byte| *byte == b' ');
    let (status, bytes, mut rest) =
        (numbers.next()?, numbers.next()?, numbers.next().unwrap_or_default());
    let is_size =
        bytes == b"-" || (1..=19).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    if host.is_empty()
        || ident.is_empty()
        || status.len() != 3
        || !status.iter().all(u8::is_ascii_digit)
        || !is_size
    {
        return None;
    }
    if rest.starts_with(b"\"") {
        rest = quoted(quoted(rest)?.1)?.1;
    }
    let is_plain = rest.first()?.is_ascii_digit()
        && !(rest[0] == b'0' && rest.get(1).is_some_and(u8::is_ascii_digit));
    let seconds = std::str::from_utf8(rest).ok().filter(|_| is_plain)?;
    Some(Request { path: path_of(request), time_ms, billionths: parse_billionths(seconds)? })
}

/// What stands between quotes, and what follows the blank behind them. A backslash takes a quote's meaning.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut at = 0;
    while *inside.get(at)? != b'"' {
        at += if inside[at] == b'\\' { 2 } else { 1 };
    }
    match &inside[at + 1..] {
        [] => Some((&inside[..at], &[])),
        [b' ', rest @ ..] => Some((&inside[..at], rest)),
        _ => None,
    }
}

/// The target of a request line without its query; `-` where it is no request line.
fn path_of(request: &[u8]) -> &[u8] {
    let Some(blank) = memchr::memchr(b' ', request).filter(|blank| *blank > 0) else { return b"-" };
    let (method, rest) = (&request[..blank], &request[blank + 1..]);
    let target = memchr::memrchr(b' ', rest).map_or(rest, |last| &rest[..last]);
    if target.is_empty()
        || !method.iter().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(byte))
    {
        return b"-";
    }
    memchr::memchr(b'?', target).map_or(target, |query| &target[..query])
}

/// Exactly as in `22/Nov/2026:06:45:52 +0100`; the calendar is chrono's.
fn parse_time(text: &[u8]) -> Option<i64> {
    const FORM: &[u8] = b"00/Aaa/0000:00:00:00 +0000";
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        b'a' => byte.is_ascii_lowercase(),
        b'+' => b"+-".contains(byte),
        mark => byte == mark,
    };
    if text.len() != FORM.len() || !text.iter().zip(FORM).all(fits) {
        return None;
    }
    let time =
        DateTime::parse_from_str(std::str::from_utf8(text).ok()?, "%d/%b/%Y:%H:%M:%S %z").ok()?;
    Some(time.timestamp() * 1000 + i64::from(time.timestamp_subsec_millis() >= 1000) * 1000)
}

/// Whole billionths of a decimal number such as `0.123` or `-4`, rounded half away from zero.
pub fn parse_billionths(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(sides) => sides,
        None => (digits, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 18 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let kept = format!("{fraction:0<9}");
    let round_up = i128::from(fraction.as_bytes().get(9).is_some_and(|digit| *digit >= b'5'));
    let billionths = whole.parse::<i128>().ok()? * 1_000_000_000
        + kept.get(..9)?.parse::<i128>().ok()?
        + round_up;
    Some(if negative { -billionths } else { billionths })
}

/// How long windows must wait so that no line of the input is late.
///
/// A line is late when its time lies before the latest one that was read earlier, less the delay. Partitions
/// are read side by side, so a reader may have seen `chunks_ahead` chunks more than those before the line's.
pub fn delay_needed_ms(input: &Input, chunks_ahead: usize) -> i64 {
    let times: Vec<(Option<i64>, Option<i64>)> = input
        .chunks()
        .iter()
        .map(|chunk| {
            let times = chunk
                .clone()
                .filter_map(|line| parse(input.line(line)))
                .map(|request| request.time_ms);
            times.fold((None, None), |(low, high): (Option<i64>, Option<i64>), time| {
                (
                    Some(low.map_or(time, |low| low.min(time))),
                    Some(high.map_or(time, |high| high.max(time))),
                )
            })
        })
        .collect();
    let mut latest: Option<i64> = None;
    let mut needed = 0;
    for (chunk, (earliest, _)) in times.iter().enumerate() {
        let reach =
            times.iter().skip(chunk).take(chunks_ahead + 1).filter_map(|(_, high)| *high).max();
        latest = latest.max(reach);
        if let (Some(latest), Some(earliest)) = (latest, earliest) {
            needed = needed.max(latest - earliest);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"10.0.0.7 - - [22/Nov/2026:06:45:52 +0100] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/8" 0.250"#;

    #[test]
    fn a_line_is_read() {
        let request = parse(LINE).unwrap();
        assert_eq!(
            request,
            Request { path: b"/a", time_ms: 1_795_326_352_000, billionths: 250_000_000 }
        );
        for wrong in ["", "no log", "a - - [x] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\" 1"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(parse_billionths("0.123"), Some(123_000_000));
        assert_eq!(parse_billionths("12"), Some(12_000_000_000));
        assert_eq!(parse_billionths("-0.5"), Some(-500_000_000));
        assert_eq!(parse_billionths("0.00000000049"), Some(0));
        assert_eq!(parse_billionths("0.0000000005"), Some(1));
        for wrong in ["", ".", "1.", "1.2.3", "1e3", "-", "1000000000000000000"] {
            assert_eq!(parse_billionths(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn odd_lines_are_read_as_web_servers_mean_them() {
        let path = |request: &str| {
            let line = format!(
                "h - a b [10/Oct/2000:13:55:36 -0700] \"{request}\" 200 - \"x \\\" y\" \"\" 1\r"
            );
            parse(line.as_bytes()).map(|request| String::from_utf8_lossy(request.path).into_owned())
        };
        assert_eq!(path("GET /a?b HTTP/1.1").as_deref(), Some("/a"));
        assert_eq!(path("GET /old").as_deref(), Some("/old"));
        assert_eq!(path("GET /a b HTTP/1.1").as_deref(), Some("/a b"));
        assert_eq!(path("\\x16\\x03").as_deref(), Some("-"));
        assert_eq!(path("").as_deref(), Some("-"));
        let common = b"h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1 0.5";
        assert_eq!(parse(common).unwrap().time_ms, 971_211_336_000);
        assert!(
            parse(b"h - - [10/oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1 0.5").is_none()
        );
        assert!(
            parse(b"h - - [31/Feb/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1 0.5").is_none()
        );
        assert!(
            parse(b"h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1 00.5").is_none()
        );
    }

    #[test]
    fn words_are_what_white_space_separates() {
        let counts = count_words([&b"a b\ta"[..], b"", b"  b "].into_iter());
        assert_eq!(counts.len(), 2);
        assert_eq!((counts[&b"a"[..]], counts[&b"b"[..]]), (2, 2));
    }
}
