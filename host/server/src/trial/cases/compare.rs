//! What came out, beside what has to. Pure; an error is the first difference, for people.

use super::super::subject::Emitted;
use super::file::{Given, Part, Parts, Refused};

/// Compares the parts that are named.
pub fn records(emitted: &[Emitted], wanted: &[Given], ports: &[String]) -> Result<(), String> {
    for (index, (out, wanted)) in emitted.iter().zip(wanted).enumerate() {
        record(out, wanted, ports).map_err(|why| format!("output record {index}: {why}"))?;
    }
    if emitted.len() == wanted.len() {
        return Ok(());
    }
    let one_too_many = emitted.get(wanted.len()).map(|out| {
        format!(
            "; the first one too many has the key {} and the value {}",
            shown(out.record.key.as_deref()),
            shown(out.record.value.as_deref())
        )
    });
    Err(format!(
        "{} records come out, {} expected{}",
        emitted.len(),
        wanted.len(),
        one_too_many.unwrap_or_default()
    ))
}

fn record(out: &Emitted, wanted: &Given, ports: &[String]) -> Result<(), String> {
    let record = &out.record;
    let parts = match wanted {
        Given::Value(value) => {
            return equal("value", record.value.as_deref(), Some(value.as_bytes()));
        }
        Given::Parts(parts) => parts,
    };
    if let Some(key) = &parts.key {
        equal("key", record.key.as_deref(), Some(&key.0))?;
    }
    if let Some(value) = &parts.value {
        equal("value", record.value.as_deref(), Some(&value.0))?;
    }
    if let Some(timestamp) = parts.timestamp
        && timestamp != record.timestamp
    {
        return Err(format!("the timestamp is {}, not {timestamp}", record.timestamp));
    }
    headers(out, parts)?;
    for part in &parts.absent {
        let (name, found) = match part {
            Part::Key => ("key", record.key.as_deref()),
            Part::Value => ("value", record.value.as_deref()),
            Part::Headers => ("headers", record.headers.as_deref()),
        };
        equal(name, found, None)?;
    }
    if let Some(port) = &parts.port {
        let found = ports.get(out.port).map_or("out", String::as_str);
        if found != port {
            return Err(format!("it goes to the output `{found}`, not `{port}`"));
        }
    }
    Ok(())
}

/// Those that are named have to be there, the last one of a name; others may be.
fn headers(out: &Emitted, parts: &Parts) -> Result<(), String> {
    let found = out.record.decoded_headers();
    for (name, wanted) in parts.headers.iter().flatten() {
        let value = found.iter().rfind(|(known, _)| known == name).map(|(_, value)| value);
        let value = value.and_then(|value| value.as_deref());
        equal(&format!("header `{name}`"), value, Some(&wanted.0))?;
    }
    Ok(())
}

fn equal(what: &str, found: Option<&[u8]>, wanted: Option<&[u8]>) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("the {what} is {}, not {}", shown(found), shown(wanted)))
}

/// Compares rejections; the reason has to have the wanted text in it.
pub fn rejected(found: &[(usize, String)], wanted: &[Refused]) -> Result<(), String> {
    for (index, reason) in found {
        let Some(wanted) = wanted.iter().find(|wanted| wanted.record == *index) else {
            return Err(format!("input record {index} is rejected: {reason}"));
        };
        if !reason.contains(&wanted.reason) {
            let wanted = &wanted.reason;
            return Err(format!(
                "input record {index} is rejected with `{reason}`, not `{wanted}`"
            ));
        }
    }
    let missing =
        wanted.iter().find(|wanted| !found.iter().any(|(index, _)| *index == wanted.record));
    match missing {
        Some(wanted) => Err(format!("input record {} is not rejected", wanted.record)),
        None => Ok(()),
    }
}

/// Bytes for people, cut off where they are many.
fn shown(bytes: Option<&[u8]>) -> String {
    const BYTES_MAX: usize = 200;
    let Some(bytes) = bytes else { return "absent".to_owned() };
    let (start, more) = match bytes.split_at_checked(BYTES_MAX) {
        Some((start, rest)) if !rest.is_empty() => (start, "…"),
        _ => (bytes, ""),
    };
    match std::str::from_utf8(start) {
        Ok(text) => format!("{text:?}{more}"),
        Err(_) => format!("\"{}\"{more}", start.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::record::Record;
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        let out = [Emitted { record: Record::new(Some("k"), "v", 7), port: 1 }];
        let ports = ["first".to_owned(), "second".to_owned()];
        let compare = |wanted: &str| {
            let wanted: toml::Table = toml::from_str(&format!("output = {wanted}")).unwrap();
            let wanted: Vec<Given> = wanted["output"].clone().try_into().unwrap();
            records(&out, &wanted, &ports)
        };
        assert_eq!(compare("[\"v\"]"), Ok(()));
        assert_eq!(
            compare("[{ key = \"k\", timestamp = 7, port = \"second\", absent = [\"headers\"] }]"),
            Ok(())
        );
        for (wanted, told) in [
            ("[]", "1 records come out, 0 expected; the first one too many has the key \"k\""),
            ("[\"v\", \"w\"]", "1 records come out, 2 expected"),
            ("[\"w\"]", "output record 0: the value is \"v\", not \"w\""),
            ("[{ timestamp = 8 }]", "the timestamp is 7, not 8"),
            ("[{ absent = [\"key\"] }]", "the key is \"k\", not absent"),
            ("[{ headers = { a = \"1\" } }]", "the header `a` is absent, not \"1\""),
            ("[{ port = \"first\" }]", "the output `second`, not `first`"),
        ] {
            let why = compare(wanted).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn rejections_are_compared_by_record_and_reason() {
        let found = [(1, "not UTF-8".to_owned())];
        let wanted = |record, reason: &str| [Refused { record, reason: reason.to_owned() }];
        assert_eq!(rejected(&found, &wanted(1, "UTF")), Ok(()));
        assert!(
            rejected(&found, &[]).unwrap_err().contains("input record 1 is rejected: not UTF-8")
        );
        assert!(rejected(&found, &wanted(1, "tab")).unwrap_err().contains("not `tab`"));
        assert!(rejected(&[], &wanted(1, "")).unwrap_err().contains("is not rejected"));
    }
}
