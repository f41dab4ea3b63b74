//! A pipeline file becomes a [`PipelineSpec`], once.
//!
//! TOML is read into raw structures, those into validated ones, and the graph is checked as a whole.
//! **A wrong file is refused before anything starts**, with its lines and a hint, and as many
//! problems as can be told apart at once. Whether plugins exist and their parameters fit is
//! checked by the engine, which points into the file with [`SpecError::at`].

mod error;
mod place;
mod types;

pub use error::{Problem, SpecError};
pub use place::Place;
pub use types::{
    BatchLimits, Input, OnEnd, OperatorLimits, OperatorSpec, ParamValue, PipelineName,
    PipelineSpec, PluginRef, SinkOutput, SinkSpec, SourceInput, SourceSpec, Start, Trigger,
    WindowSpec, WindowTime,
};

impl PipelineSpec {
    /// Parses and checks a pipeline file.
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        Err(SpecError {
            problems: vec![Problem::new(text, 0..0, "not parsed".to_owned(), None)],
        })
    }
}
