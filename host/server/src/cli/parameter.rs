//! `--param NAME=VALUE`.

use tidemill_plugin::SettingValue;

/// `name=value`; what is neither number nor boolean is text.
pub fn parameter(text: &str) -> Result<(String, SettingValue), String> {
    let (name, value) = text.split_once('=').ok_or("`name=value` expected")?;
    let value =
        serde_json::from_str(value).unwrap_or_else(|_| SettingValue::Text(value.to_owned()));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_a_pipeline_file_has_them() {
        for (text, expected) in [
            ("n=5", SettingValue::Integer(5)),
            ("n=0.5", SettingValue::Number(0.5)),
            ("n=true", SettingValue::Boolean(true)),
            ("n=\"5\"", SettingValue::Text("5".to_owned())),
            ("n=a b=c", SettingValue::Text("a b=c".to_owned())),
            ("n=", SettingValue::Text(String::new())),
        ] {
            assert_eq!(parameter(text), Ok(("n".to_owned(), expected)), "{text}");
        }
        assert!(parameter("n").is_err());
    }
}
