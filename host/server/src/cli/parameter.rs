//! `--param NAME=VALUE`.

use tidemill_plugin::SettingValue;

/// `name=value`; what is neither number nor boolean is text.
pub fn parameter(text: &str) -> Result<(String, SettingValue), String> {
    let (name, value) = text.split_once('=').ok_or("`name=value` expected")?;
    let value =
        serde_json::from_str(value).unwrap_or_else(|_| SettingValue::Text(value.to_owned()));
    Ok((name.to_owned(), value))
}
