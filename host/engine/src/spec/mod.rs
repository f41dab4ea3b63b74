//! A pipeline file becomes a [`PipelineSpec`], once.
//!
//! TOML is read into raw structures, those into validated ones, and the graph is checked as a whole.
//! **A wrong file is refused before anything starts**, with its lines and a hint, and as many
//! problems as can be told apart at once. Whether plugins exist and their parameters fit is
//! checked by the engine, which points into the file with [`SpecError::at`].

mod raw;
mod value;
mod node;
mod check;
mod wiring;
mod problems;
mod error;
mod place;
mod types;

#[cfg(test)]
mod tests;

pub use error::{Problem, SpecError};
pub use place::Place;
pub use types::{
    BatchLimits, Input, OnEnd, OnError, OperatorLimits, OperatorSpec, ParamValue, PipelineName,
    PipelineSpec, PluginRef, SinkOutput, SinkSpec, SourceInput, SourceSpec, Start, Trigger,
    WindowSpec, WindowTime,
};
pub(crate) use value::{Storage, storage};

use problems::{Problems, from_toml};
use value::Wrong;

/// A pipeline file is written by a person; this is far more than one writes.
const FILE_BYTES_MAX: usize = 1 << 20;

impl PipelineSpec {
    /// Parses and checks a pipeline file.
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let mut problems = Problems::new(text);
        if text.len() > FILE_BYTES_MAX {
            let message = format!("the file has {} bytes", text.len());
            problems.add(0..0, Wrong::new(message, format!("at most {FILE_BYTES_MAX} are read")));
            return Err(problems.into_error());
        }
        let raw = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                let (span, wrong) = from_toml(&error);
                problems.add(span, wrong);
                return Err(problems.into_error());
            }
        };
        match check::pipeline(raw, text, &mut problems) {
            Some(spec) if problems.is_empty() => Ok(spec),
            _ => Err(problems.into_error()),
        }
    }
}
