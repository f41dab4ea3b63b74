//! The form of `cases.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use tidemill_plugin::Settings;

use super::super::record::{Header, Record};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// What every case and the conformance kit run with, unless a case says otherwise.
    #[serde(default)]
    pub params: Settings,
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
}

impl Cases {
    /// The records of all cases whose calls do not fail.
    pub fn inputs(&self) -> Vec<Record> {
        let good = self.cases.iter().filter(|case| case.fails.is_none());
        good.flat_map(|case| case.input.iter().map(Given::record)).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default)]
    pub params: Settings,
    /// Of a reducer's groups; running totals where there is none.
    pub window: Option<Span>,
    pub input: Vec<Given>,
    #[serde(default)]
    pub output: Vec<Given>,
    #[serde(default)]
    pub rejected: Vec<Refused>,
    /// A part of the message that the call as a whole has to fail with.
    pub fails: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub start: i64,
    pub end: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Index of the input record.
    pub record: usize,
    /// A part of the reason.
    #[serde(default)]
    pub reason: String,
}

/// A text stands for a record with that value.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a record is a text, or a table with `key`, `value`, `headers`, `timestamp`, `port`, `absent`"
)]
pub enum Given {
    Value(String),
    Parts(Parts),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Option<BTreeMap<String, Bytes>>,
    pub timestamp: Option<i64>,
    /// Of a record that comes out: the name of its output.
    pub port: Option<String>,
    /// Of a record that comes out: the parts that it must not have.
    #[serde(default)]
    pub absent: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Key,
    Value,
    Headers,
}

/// Text, or `{ hex = "ff00" }`.
#[derive(Clone, Debug)]
pub struct Bytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text or `{ hex = \"ff\" }` expected")]
        enum Form {
            Text(String),
            Hex { hex: String },
        }
        match Form::deserialize(from)? {
            Form::Text(text) => Ok(Bytes(text.into_bytes())),
            Form::Hex { hex } => unhex(&hex)
                .map(Bytes)
                .ok_or_else(|| D::Error::custom("`hex` has two digits for each byte")),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| (high * 16 + low) as u8;
    rest.is_empty().then(|| pairs.iter().map(byte).collect())
}

impl Given {
    /// As an input record: what it does not name is absent.
    pub fn record(&self) -> Record {
        match self {
            Given::Value(value) => Record::new(None, value, 0),
            Given::Parts(parts) => {
                let mut record = Record {
                    key: parts.key.clone().map(|key| key.0),
                    value: parts.value.clone().map(|value| value.0),
                    headers: None,
                    timestamp: parts.timestamp.unwrap_or_default(),
                };
                if let Some(headers) = &parts.headers {
                    let header =
                        |(name, value): (&String, &Bytes)| (name.clone(), Some(value.0.clone()));
                    record.set_headers(&headers.iter().map(header).collect::<Vec<Header>>());
                }
                record
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_texts_or_tables() {
        let text = r#"
            params = { length_min = 3 }
            [[case]]
            name = "all forms"
            input = ["text", { key = "k", value = { hex = "ff00" }, headers = { a = "1" }, timestamp = 5 }, {}]
            output = [{ absent = ["value"], port = "errors" }]
            rejected = [{ record = 1, reason = "UTF-8" }]
        "#;
        let cases: Cases = toml::from_str(text).unwrap();
        let inputs = cases.inputs();
        assert_eq!(inputs[0], Record::new(None, "text", 0));
        assert_eq!(inputs[1].value.as_deref(), Some(&[0xff, 0][..]));
        assert_eq!(inputs[1].decoded_headers(), [("a".to_owned(), Some(b"1".to_vec()))]);
        assert_eq!(inputs[2], Record::default());
    }

    /// People copy it.
    #[test]
    fn the_guides_example_is_read() {
        let guide = include_str!("../../../../../docs/guides/testing-plugins.md");
        let example = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let cases: Cases = toml::from_str(example.unwrap()).unwrap();
        assert_eq!(cases.cases.len(), 2);
        assert_eq!(cases.cases[1].rejected[0].record, 0);
    }

    #[test]
    fn mistakes_are_told() {
        for (input, told) in [
            ("[1]", "a record is a text"),
            ("[{ key = { hex = \"f\" } }]", "a record is a text"),
            ("[{ kee = \"a\" }]", "a record is a text"),
        ] {
            let text = format!("[[case]]\nname = \"a\"\ninput = {input}");
            let error = toml::from_str::<Cases>(&text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(unhex("0aFf"), Some(vec![10, 255]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}
