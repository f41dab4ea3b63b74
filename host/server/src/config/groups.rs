//! The section `[groups]`: how consumer groups are looked after.

use std::time::Duration;

use tidemill_kafka::coordinator::GroupConfig;

use super::ConfigError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[groups]` as written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileGroups {
    /// How long an empty group waits for more members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: Option<Span>,
    /// The shortest session timeout that members may ask for (`group.min.session.timeout.ms`).
    pub session_timeout_min: Option<Span>,
    /// The longest one (`group.max.session.timeout.ms`).
    pub session_timeout_max: Option<Span>,
    /// The most members of one group (`group.max.size`).
    pub members_max: Option<u64>,
    /// Offsets that nobody has used for longer are forgotten (`offsets.retention.minutes`).
    pub offsets_retention: Option<Span>,
}

/// A time such as `3s` or `7d`.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Span(Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(written: String) -> Result<Span, String> {
        let parsed = humantime::parse_duration(&written);
        parsed
            .map(Span)
            .map_err(|error| format!("`{written}` is no time such as 3s or 7d: {error}"))
    }
}

impl FileGroups {
    pub(super) fn into_config(self) -> Result<GroupConfig, ConfigError> {
        let mut config = GroupConfig::default();
        let limits = &mut config.limits;
        let (ms, hour) = (Duration::from_millis(1), DAY / 24);
        set(
            &mut limits.initial_rebalance_delay,
            ("groups.initial_rebalance_delay", Duration::ZERO, hour),
            self.initial_rebalance_delay,
        )?;
        set(
            &mut limits.session_timeout_min,
            ("groups.session_timeout_min", ms, hour),
            self.session_timeout_min,
        )?;
        set(
            &mut limits.session_timeout_max,
            ("groups.session_timeout_max", limits.session_timeout_min, DAY),
            self.session_timeout_max,
        )?;
        set(
            &mut config.offsets_retention,
            ("groups.offsets_retention", ms, 36_500 * DAY),
            self.offsets_retention,
        )?;
        let members_max = self.members_max.unwrap_or(config.limits.members_max as u64);
        config.limits.members_max = super::in_range("groups.members_max", members_max, 1, 10_000)?;
        Ok(config)
    }
}

fn set(
    setting: &mut Duration,
    (key, min, max): (&'static str, Duration, Duration),
    written: Option<Span>,
) -> Result<(), ConfigError> {
    let value = written.map_or(*setting, |span| span.0);
    if !(min..=max).contains(&value) {
        return Err(ConfigError::Duration { key, value, min, max });
    }
    *setting = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<GroupConfig, String> {
        let file: FileGroups = toml::from_str(text).map_err(|error| error.to_string())?;
        file.into_config().map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_kafkas() {
        let config = parse("").unwrap();
        assert_eq!(config.limits.initial_rebalance_delay, Duration::from_secs(3));
        assert_eq!(config.offsets_retention, 7 * DAY);
        assert_eq!(config, GroupConfig::default());
    }

    #[test]
    fn what_is_written_counts_within_bounds() {
        let config = parse("initial_rebalance_delay = '0s'\nsession_timeout_min = '50ms'").unwrap();
        assert_eq!(config.limits.initial_rebalance_delay, Duration::ZERO);
        assert_eq!(config.limits.session_timeout_min, Duration::from_millis(50));
        for (wrong, says) in [
            ("initial_rebalance_delay = '2h'", "groups.initial_rebalance_delay"),
            ("session_timeout_min = '0s'", "groups.session_timeout_min"),
            ("session_timeout_max = '1s'", "groups.session_timeout_max"),
            ("members_max = 0", "groups.members_max"),
            ("offsets_retention = 7", "string"),
            ("offsets_retention = 'long'", "no time"),
            ("delay = '1s'", "unknown field"),
        ] {
            let refused = parse(wrong).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
