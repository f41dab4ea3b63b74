//! The kinds of plugin that there are templates for.

use clap::ValueEnum;
use serde::Deserialize;

/// A world of the contract that hosts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Any number of records from each record.
    Transform,
    /// Keeps or drops each record.
    Filter,
    /// One record for each key, or key and window.
    Reducer,
}

impl World {
    pub const ALL: [World; 3] = [World::Transform, World::Filter, World::Reducer];

    /// As in `--world`, in the contract, and the folder of its template.
    pub fn name(self) -> &'static str {
        match self {
            World::Transform => "transform",
            World::Filter => "filter",
            World::Reducer => "reducer",
        }
    }

    /// As a type or a function of an SDK.
    pub fn type_name(self) -> &'static str {
        match self {
            World::Transform => "Transform",
            World::Filter => "Filter",
            World::Reducer => "Reducer",
        }
    }

    /// The interface that a plugin of it exports beside `definition`.
    pub fn interface(self) -> &'static str {
        match self {
            World::Transform => "transformer",
            World::Filter => "predicate",
            World::Reducer => "reduction",
        }
    }
}
