//! What a pipeline may set, and what it may get wrong.

use tidemill_plugin::{
    ConfigureError, Parameter, ParameterKind, SettingValue, Settings, StartError,
};

use super::Kit;
use super::judged::{Bad, Judged, failed};
use crate::cli::chain;

/// Values at the edges of a kind.
fn odd(kind: ParameterKind) -> Vec<SettingValue> {
    match kind {
        ParameterKind::Text => {
            let long = "long ".repeat(10_000);
            ["", " ", "ünïcode 😀", "\0", "(((", &long].map(SettingValue::from).to_vec()
        }
        ParameterKind::Integer => [0, -1, 1, i64::MIN, i64::MAX].map(SettingValue::from).to_vec(),
        ParameterKind::Number => {
            [0.0, -1.5, f64::MIN_POSITIVE, f64::MAX].map(SettingValue::from).to_vec()
        }
        ParameterKind::Boolean => [false, true].map(SettingValue::from).to_vec(),
    }
}

/// Each is taken, or refused by the plugin's own word.
pub fn odd_values(kit: &Kit<'_>) -> Judged {
    let parameters = &kit.bench.plugin.description().parameters;
    if parameters.is_empty() {
        return Err(Bad::Skipped("the plugin has no parameters".to_owned()));
    }
    let mut refused = 0;
    for parameter in parameters {
        for value in odd(parameter.kind) {
            match kit.bench.subject_with(&with(kit, &parameter.name, value.clone())) {
                Ok(_) => {}
                Err(ConfigureError::Start { cause: StartError::Refused { message }, .. })
                    if !message.trim().is_empty() =>
                {
                    refused += 1;
                }
                Err(ConfigureError::Start { cause: StartError::Refused { .. }, .. }) => {
                    return failed(format!("`{}` is refused without a reason", parameter.name));
                }
                Err(error) => {
                    let shown: String = value.to_string().chars().take(40).collect();
                    return failed(format!("`{} = {shown}`: {}", parameter.name, chain(&error)));
                }
            }
        }
    }
    Ok((refused > 0).then(|| format!("the plugin refuses {refused} of them, with a reason")))
}

/// All of it is found by what the plugin says of itself, before its code runs.
pub fn wrong_settings(kit: &Kit<'_>) -> Judged {
    let parameters = &kit.bench.plugin.description().parameters;
    expect_refused(kit, "an unknown parameter", &with(kit, "no_such_parameter", 1_i64.into()))?;
    for parameter in parameters {
        let wrong = match parameter.kind {
            ParameterKind::Text => SettingValue::from(1_i64),
            _ => SettingValue::from("text"),
        };
        let what = format!("a value of the wrong kind for `{}`", parameter.name);
        expect_refused(kit, &what, &with(kit, &parameter.name, wrong))?;
    }
    let required = |parameter: &&Parameter| parameter.default.is_none();
    for parameter in parameters.iter().filter(required) {
        let others = kit.bench.params.iter().filter(|(name, _)| *name != parameter.name);
        let without: Settings =
            others.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        expect_refused(kit, &format!("no value for `{}`", parameter.name), &without)?;
    }
    Ok(None)
}

fn expect_refused(kit: &Kit<'_>, what: &str, settings: &Settings) -> Judged {
    match kit.bench.subject_with(settings) {
        Err(ConfigureError::Settings { .. }) => Ok(None),
        Err(error) => failed(format!("{what}: {}", chain(&error))),
        Ok(_) => failed(format!("{what} is taken")),
    }
}

fn with(kit: &Kit<'_>, name: &str, value: SettingValue) -> Settings {
    let mut settings = kit.bench.params.clone();
    settings.insert(name, value);
    settings
}
