//! The boundary as `wit-bindgen` generates it from `wit/`, and the moves between its types and ours.
//!
//! Lists are moved, never copied: the input's are the call's own, the results' go to the host as they are.
//! The types of a world are generated in the plugin's own crate, by the attribute macros: only there is it
//! known which world it is, and a component is described by exactly one. Here is what they add to them.

// Generated code is as it is.
#[allow(unsafe_code, missing_docs, clippy::all)]
mod grants {
    wit_bindgen::generate!({
        path: "wit",
        world: "grants",
    });
}

pub(crate) fn log(level: crate::logging::Level, message: core::fmt::Arguments<'_>) {
    use crate::logging::Level;
    use grants::tidemill::plugin::logging;
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    };
    logging::log(level, &alloc::fmt::format(message));
}

pub(crate) fn count(name: &str, labels: &[(&str, &str)], by: u64) {
    grants::tidemill::plugin::metrics::count(name, &owned(labels), by);
}

pub(crate) fn gauge(name: &str, labels: &[(&str, &str)], value: f64) {
    grants::tidemill::plugin::metrics::gauge(name, &owned(labels), value);
}

fn owned(labels: &[(&str, &str)]) -> alloc::vec::Vec<grants::tidemill::plugin::metrics::Label> {
    use alloc::borrow::ToOwned;
    use grants::tidemill::plugin::metrics::Label;
    let label = |(name, value): &(&str, &str)| Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    labels.iter().map(label).collect()
}

/// The conversions of a world's types, and `describe` and `configure` for `Plugin`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_definition {
    () => {
        use ::tidemill_sdk::description as described;
        use ::tidemill_sdk::plugin::Plugin as _;
        use ::tidemill_sdk::private::{Column, Failure, String, ToOwned, Vec};
        use exports::tidemill::plugin::definition;
        use tidemill::plugin::types as wit;

        impl From<wit::Column> for Column {
            fn from(wit::Column { data, offsets, validity }: wit::Column) -> Self {
                Self { data, offsets, validity }
            }
        }

        impl From<Column> for wit::Column {
            fn from(Column { data, offsets, validity }: Column) -> Self {
                Self { data, offsets, validity }
            }
        }

        impl From<Failure> for wit::Failure {
            fn from(failure: Failure) -> Self {
                match failure {
                    Failure::Retryable(message) => Self::Retryable(message),
                    Failure::Fatal(message) => Self::Fatal(message),
                }
            }
        }

        impl From<described::Value> for definition::ParameterValue {
            fn from(value: described::Value) -> Self {
                match value {
                    described::Value::Text(value) => Self::Text(value),
                    described::Value::Integer(value) => Self::Integer(value),
                    described::Value::Number(value) => Self::Number(value),
                    described::Value::Boolean(value) => Self::Boolean(value),
                }
            }
        }

        impl From<definition::ParameterValue> for described::Value {
            fn from(value: definition::ParameterValue) -> Self {
                match value {
                    definition::ParameterValue::Text(value) => Self::Text(value),
                    definition::ParameterValue::Integer(value) => Self::Integer(value),
                    definition::ParameterValue::Number(value) => Self::Number(value),
                    definition::ParameterValue::Boolean(value) => Self::Boolean(value),
                }
            }
        }

        fn parameter(parameter: described::Parameter) -> definition::Parameter {
            definition::Parameter {
                name: parameter.name.to_owned(),
                kind: match parameter.kind {
                    described::Kind::Text => definition::ParameterKind::Text,
                    described::Kind::Integer => definition::ParameterKind::Integer,
                    described::Kind::Number => definition::ParameterKind::Number,
                    described::Kind::Boolean => definition::ParameterKind::Boolean,
                },
                default: parameter.default.map(Into::into),
                doc: parameter.doc,
            }
        }

        fn parts(parts: described::Parts) -> definition::Parts {
            use described::Parts as Ours;
            [
                (Ours::KEYS, definition::Parts::KEYS),
                (Ours::VALUES, definition::Parts::VALUES),
                (Ours::HEADERS, definition::Parts::HEADERS),
                (Ours::TIMESTAMPS, definition::Parts::TIMESTAMPS),
            ]
            .into_iter()
            .filter(|(ours, _)| parts.contains(*ours))
            .fold(definition::Parts::empty(), |all, (_, part)| all | part)
        }

        impl definition::Guest for super::Plugin {
            fn describe() -> definition::Description {
                let description = <Self as ::tidemill_sdk::plugin::Plugin>::describe();
                definition::Description {
                    name: description.name.to_owned(),
                    version: description.version.to_owned(),
                    summary: description.summary.to_owned(),
                    parameters: description.parameters.into_iter().map(parameter).collect(),
                    reads: parts(description.reads),
                    ports: description.ports.iter().map(|&port| port.to_owned()).collect(),
                    state_version: description.state_version,
                }
            }

            fn configure(settings: Vec<definition::Setting>) -> Result<(), String> {
                let value =
                    |set: definition::Setting| (set.name, described::Value::from(set.value));
                let settings = settings.into_iter().map(value).collect();
                Self::slot().set(Self::settings(&settings)?)
            }
        }
    };
}

/// Batches as a world receives them.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_batch_in {
    () => {
        impl From<wit::Batch> for ::tidemill_sdk::Batch {
            fn from(batch: wit::Batch) -> Self {
                Self {
                    keys: batch.keys.into(),
                    values: batch.values.into(),
                    headers: batch.headers.into(),
                    timestamps: batch.timestamps,
                }
            }
        }
    };
}

/// Batches as a world returns them.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_batch_out {
    () => {
        impl From<::tidemill_sdk::Batch> for wit::Batch {
            fn from(batch: ::tidemill_sdk::Batch) -> Self {
                Self {
                    keys: batch.keys.into(),
                    values: batch.values.into(),
                    headers: batch.headers.into(),
                    timestamps: batch.timestamps,
                }
            }
        }
    };
}

/// The world `transform` for `Plugin`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_transform {
    () => {
        $crate::__bind_definition!();
        $crate::__bind_batch_in!();
        $crate::__bind_batch_out!();
        use exports::tidemill::plugin::transformer;

        impl transformer::Guest for super::Plugin {
            fn process(records: wit::Batch) -> Result<wit::Outcome, wit::Failure> {
                let records = records.into();
                let outcome = ::tidemill_sdk::run_transform::<Self>(
                    Self::slot().get()?,
                    &records,
                    Default::default(),
                )?;
                let rejected = outcome.rejected.into_iter().map(|rejected| wit::Rejection {
                    index: rejected.index,
                    reason: rejected.reason.into(),
                });
                Ok(wit::Outcome {
                    emitted: outcome.emitted.into(),
                    counts: outcome.counts,
                    ports: outcome.ports,
                    rejected: rejected.collect(),
                })
            }
        }
    };
}

/// The world `filter` for `Plugin`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_filter {
    () => {
        $crate::__bind_definition!();
        $crate::__bind_batch_in!();
        use exports::tidemill::plugin::predicate;

        impl predicate::Guest for super::Plugin {
            fn keep(records: wit::Batch) -> Result<Vec<u8>, wit::Failure> {
                Ok(::tidemill_sdk::keep::<Self>(Self::slot().get()?, &records.into())?)
            }
        }
    };
}

/// The world `reducer` for `Plugin`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_reducer {
    () => {
        $crate::__bind_definition!();
        $crate::__bind_batch_out!();
        use ::tidemill_sdk::{Window, finish, fold, merge};
        use exports::tidemill::plugin::reduction;

        impl reduction::Guest for super::Plugin {
            fn fold(
                records: reduction::Items,
                accumulators: wit::Column,
            ) -> Result<wit::Column, wit::Failure> {
                let reduction::Items { groups, values, timestamps } = records;
                let (values, accumulators) = (values.into(), accumulators.into());
                Ok(fold::<Self>(Self::slot().get()?, &groups, &values, &timestamps, accumulators)?
                    .into())
            }

            fn merge(left: wit::Column, right: wit::Column) -> Result<wit::Column, wit::Failure> {
                Ok(merge::<Self>(Self::slot().get()?, left.into(), &right.into())?.into())
            }

            fn finish(
                keys: wit::Column,
                windows: Vec<wit::Window>,
                accumulators: wit::Column,
            ) -> Result<wit::Batch, wit::Failure> {
                let window = |wit::Window { start, end }| Window { start, end };
                let windows: Vec<Window> = windows.into_iter().map(window).collect();
                let (keys, accumulators) = (keys.into(), accumulators.into());
                Ok(finish::<Self>(Self::slot().get()?, &keys, &windows, &accumulators)?.into())
            }
        }
    };
}

/// The world `reducer` for `Plugin`, with `migrate`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bind_migrating_reducer {
    () => {
        $crate::__bind_reducer!();
        use exports::tidemill::plugin::migration;

        impl migration::Guest for super::Plugin {
            fn migrate(
                from_version: u32,
                states: wit::Column,
            ) -> Result<wit::Column, wit::Failure> {
                Ok(::tidemill_sdk::migrate::<Self>(from_version, states.into())?.into())
            }
        }
    };
}
