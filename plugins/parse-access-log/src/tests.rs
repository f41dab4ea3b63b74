//! Lines in, records out.

use super::*;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

const LINE: &str = r#"203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /shop/cart?item=7 HTTP/1.1" 200 2326 "https://example.org/start" "Mozilla/5.0 (X11; \"odd\")" 0.125"#;
const TIME_MS: i64 = 971_211_336_000;

const DEFAULT: ParseAccessLog = ParseAccessLog {
    key: Key::Path,
    value: Value::RequestTime,
    keep_query: false,
    malformed: OnMalformed::Reject,
};

fn run(settings: ParseAccessLog, line: &str) -> Result<(String, String), String> {
    let record = testing::value(line).with_key("old");
    let ran =
        testing::run_all::<Plugin>(&settings, [record]).map_err(|failure| failure.to_string())?;
    if let Some((_, reason)) = ran.rejected.first() {
        return Err(reason.clone());
    }
    let record = ran.emitted.first().ok_or("left out")?;
    assert_eq!(record.timestamp, TIME_MS);
    Ok((record.key_text(), record.value_text()))
}

#[test]
fn any_field_can_be_the_key() {
    let table = [
        (Key::Path, "/shop/cart"),
        (Key::Host, "203.0.113.7"),
        (Key::User, "frank"),
        (Key::Method, "GET"),
        (Key::Status, "200"),
        (Key::Referer, "https://example.org/start"),
        (Key::Agent, r#"Mozilla/5.0 (X11; \"odd\")"#),
        (Key::None, "old"),
    ];
    for (key, wanted) in table {
        let (got, value) = run(ParseAccessLog { key, ..DEFAULT }, LINE).unwrap();
        assert_eq!((got.as_str(), value.as_str()), (wanted, "0.125"));
    }
    let (key, _) = run(ParseAccessLog { keep_query: true, ..DEFAULT }, LINE).unwrap();
    assert_eq!(key, "/shop/cart?item=7");
}

#[test]
fn any_number_or_all_of_it_can_be_the_value() {
    let json = r#"{"time":971211336000,"host":"203.0.113.7","user":"frank","method":"GET","path":"/shop/cart","protocol":"HTTP/1.1","referer":"https://example.org/start","agent":"Mozilla/5.0 (X11; \\\"odd\\\")","status":200,"bytes":2326,"request_time":0.125}"#;
    let table = [
        (Value::RequestTime, "0.125"),
        (Value::Bytes, "2326"),
        (Value::Status, "200"),
        (Value::Json, json),
        (Value::Line, LINE),
    ];
    for (value, wanted) in table {
        assert_eq!(run(ParseAccessLog { value, ..DEFAULT }, LINE).unwrap().1, wanted);
    }
}

#[test]
fn shorter_and_odd_lines_are_understood() {
    let status = ParseAccessLog { value: Value::Status, ..DEFAULT };
    let bytes = ParseAccessLog { value: Value::Bytes, ..DEFAULT };
    let table = [
        // Common Log Format, and no size.
        (bytes, r#"h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 -"#, "/", "0"),
        // A user with a blank, a request time without a fraction, a line feed.
        (
            DEFAULT,
            "h - a b [10/Oct/2000:13:55:36 -0700] \"GET /x HTTP/1.0\" 200 1 \"-\" \"-\" 12\r\n",
            "/x",
            "12",
        ),
        // HTTP/0.9, and a target with a blank in it.
        (status, r#"h - - [10/Oct/2000:13:55:36 -0700] "GET /old" 200 1 "-" "-""#, "/old", "200"),
        (
            status,
            r#"h - - [10/Oct/2000:13:55:36 -0700] "GET /a b HTTP/1.1" 200 1 "-" "-""#,
            "/a b",
            "200",
        ),
        // What scanners send.
        (
            status,
            r#"h - - [10/Oct/2000:13:55:36 -0700] "\x16\x03\x01" 400 226 "-" "-""#,
            "-",
            "400",
        ),
        (status, r#"h - - [10/Oct/2000:13:55:36 -0700] "" 408 0 "-" "-""#, "-", "408"),
    ];
    for (settings, line, key, value) in table {
        assert_eq!(run(settings, line), Ok((key.to_string(), value.to_string())), "{line}");
    }
}

#[test]
fn malformed_lines_are_rejected_with_the_reason_or_left_out() {
    let table = [
        ("", "no host at the start"),
        ("hello", "no identity after the host"),
        ("plain text of any kind", "no `[` before the time"),
        ("h - - [10/Oct/2000:13:55:36 -0700", "no `]` after the time"),
        (
            "h - - [yesterday] \"GET / HTTP/1.1\" 200 1",
            "the time is not as in 10/Oct/2000:13:55:36 -0700",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1 200 1",
            "no request in quotes after the time",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" OK 1",
            "the status is not three digits",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1k",
            "the size is neither a number nor `-`",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1 \"-",
            "no quote after the referer",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1 \"-\"",
            "no agent in quotes after the referer",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"",
            "no request time at the end",
        ),
        (
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\" fast",
            "what follows is no request time",
        ),
    ];
    for (line, reason) in table {
        assert_eq!(run(DEFAULT, line), Err(reason.to_string()), "{line}");
        assert_eq!(
            run(ParseAccessLog { malformed: OnMalformed::Skip, ..DEFAULT }, line),
            Err("left out".to_string())
        );
    }
}

#[test]
fn the_other_lines_of_a_batch_are_not_touched() {
    let lines = [LINE, "broken", LINE].map(testing::value);
    let ran = testing::run_all::<Plugin>(&DEFAULT, lines).unwrap();
    assert_eq!(ran.emitted.len(), 2);
    assert_eq!(ran.rejected.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
}

/// A strict reader of JSON strings and numbers is a dependency too many; this one sees broken quoting.
fn json_is_balanced(json: &str) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    let mut members = 0;
    for letter in json.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            ',' if !in_string => members += 1,
            letter if in_string && letter < ' ' => return false,
            _ => {}
        }
    }
    !in_string && members == 10 && json.starts_with('{') && json.ends_with('}')
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ran = testing::run_all::<Plugin>(&DEFAULT, [testing::value(bytes)]).unwrap();
        prop_assert_eq!(ran.emitted.len() + ran.rejected.len(), 1);
    }

    #[test]
    fn a_damaged_line_is_a_record_or_a_reason(at in 0usize..150, byte in any::<u8>(), value in 0..5usize) {
        let mut line = LINE.as_bytes().to_vec();
        line[at] = byte;
        let value = [Value::RequestTime, Value::Bytes, Value::Status, Value::Json, Value::Line][value];
        let ran = testing::run_all::<Plugin>(&ParseAccessLog { value, ..DEFAULT }, [testing::value(line)]).unwrap();
        prop_assert_eq!(ran.emitted.len() + ran.rejected.len(), 1);
    }

    #[test]
    fn json_stays_json_whatever_the_agent_says(agent in proptest::collection::vec(any::<u8>(), 0..40)) {
        let escaped: Vec<u8> = agent.iter().flat_map(|&byte| match byte {
            b'"' | b'\\' => alloc::vec![b'\\', byte],
            _ => alloc::vec![byte],
        }).collect();
        let mut line = br#"h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1 "-" ""#.to_vec();
        line.extend(escaped);
        line.push(b'"');
        let settings = ParseAccessLog { value: Value::Json, ..DEFAULT };
        let out = testing::run::<Plugin>(&settings, [testing::value(line)]).unwrap();
        let json = String::from_utf8(out[0].value.clone().unwrap()).unwrap();
        prop_assert!(json_is_balanced(&json), "{json}");
    }
}
