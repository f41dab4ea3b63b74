//! Which kind of operator a component is, from the names of what it exports.
//! Pure: names in, a decision out.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// The version of the contract, `tidemill:plugin`.
const CONTRACT_MAJOR: u64 = 0;
const CONTRACT_MINOR: u64 = 1;

/// The package of the contract.
pub(crate) const CONTRACT: &str = "tidemill:plugin";

/// A kind of operator: a world of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum World {
    /// Any number of records from each record.
    Transform,
    /// Keeps or drops each record.
    Filter,
    /// Folds the records of a key into an accumulator.
    Reducer,
    /// A reducer that can also take a part out again. Runs as a reducer for now.
    InvertibleReducer,
    /// State of any form for each key. Not run yet.
    Processor,
    /// Joins two inputs. Not run yet.
    Joiner,
    /// Chooses a partition for each record. Not run yet.
    Partitioner,
}

impl World {
    const ALL: [Self; 7] = [
        // The more demanding of two worlds that share an interface comes first.
        Self::InvertibleReducer,
        Self::Reducer,
        Self::Transform,
        Self::Filter,
        Self::Processor,
        Self::Joiner,
        Self::Partitioner,
    ];

    /// The world's name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Filter => "filter",
            Self::Reducer => "reducer",
            Self::InvertibleReducer => "invertible-reducer",
            Self::Processor => "processor",
            Self::Joiner => "joiner",
            Self::Partitioner => "partitioner",
        }
    }

    /// The interfaces that make the world, beside `definition`.
    fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Transform => &["transformer"],
            Self::Filter => &["predicate"],
            Self::Reducer => &["reduction"],
            Self::InvertibleReducer => &["reduction", "inversion"],
            Self::Processor => &["processing"],
            Self::Joiner => &["joining"],
            Self::Partitioner => &["assignment"],
        }
    }

    /// True where this host can run it.
    #[must_use]
    pub fn is_run(self) -> bool {
        matches!(self, Self::Transform | Self::Filter | Self::Reducer | Self::InvertibleReducer)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name such as `tidemill:plugin/types@0.1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    pub(crate) package: &'a str,
    pub(crate) interface: &'a str,
    version: Option<(u64, u64)>,
}

impl<'a> InterfaceName<'a> {
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let Some((interface, version)) = rest.split_once('@') else {
            return Some(Self { package, interface: rest, version: None });
        };
        let version = semver::Version::parse(version).ok()?;
        Some(Self { package, interface, version: Some((version.major, version.minor)) })
    }

    pub(crate) fn is_compatible_with(&self, major: u64, minor: u64) -> bool {
        self.version == Some((major, minor))
    }

    pub(crate) fn is_contract(&self) -> bool {
        self.is_compatible_with(CONTRACT_MAJOR, CONTRACT_MINOR)
    }
}

/// A component that is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// It exports nothing of the contract.
    #[error("it exports nothing of `{CONTRACT}`, but {}", list(exports))]
    NoPlugin {
        /// What it exports.
        exports: Vec<String>,
    },
    /// It was built for a version of the contract that this host does not speak.
    #[error("it exports `{export}`; this host speaks {CONTRACT} {CONTRACT_MAJOR}.{CONTRACT_MINOR}")]
    Version {
        /// The export.
        export: String,
    },
    /// It has `definition`, or parts of worlds, but no whole world.
    #[error("it exports {}, but `{missing}` is missing", list(exports))]
    Incomplete {
        /// What it exports of the contract.
        exports: Vec<String>,
        /// What it lacks.
        missing: String,
    },
    /// It is of several worlds at once.
    #[error("it is a {} at once", worlds.iter().map(World::to_string).collect::<Vec<_>>().join(" and a "))]
    Ambiguous {
        /// The worlds.
        worlds: Vec<World>,
    },
    /// This host does not run the world yet.
    #[error("it is a {world}, which this version of Tidemill does not run yet")]
    NotRun {
        /// The world.
        world: World,
    },
}

impl WorldError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoPlugin { .. } => {
                "build it with a plugin SDK, for one of the worlds transform, filter and reducer"
                    .to_owned()
            }
            Self::Version { .. } => {
                format!("build it with an SDK for {CONTRACT} {CONTRACT_MAJOR}.{CONTRACT_MINOR}")
            }
            Self::Incomplete { missing, .. } => format!("export `{missing}`; an SDK does it"),
            Self::Ambiguous { .. } => "make a component for each".to_owned(),
            Self::NotRun { .. } => "transform, filter and reducer are run".to_owned(),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing at all".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a component exports of the contract.
#[derive(Debug)]
pub(crate) struct Exports {
    pub(crate) world: World,
    /// Interface name and full export name.
    interfaces: Vec<(String, String)>,
}

impl Exports {
    /// The full name under which `interface` is exported.
    pub(crate) fn full_name(&self, interface: &str) -> Option<&str> {
        let found = self.interfaces.iter().find(|(name, _)| name == interface);
        found.map(|(_, export)| export.as_str())
    }
}

/// Finds a component's world from the names of its exports. Extra exports are tolerated: some tool
/// chains have their own.
pub(crate) fn find_world<'a>(
    exports: impl Iterator<Item = &'a str>,
) -> Result<Exports, WorldError> {
    let all: Vec<&str> = exports.collect();
    let mut interfaces = Vec::new();
    for export in &all {
        let Some(name) = InterfaceName::parse(export).filter(|name| name.package == CONTRACT)
        else {
            continue;
        };
        if !name.is_contract() {
            return Err(WorldError::Version { export: (*export).to_owned() });
        }
        interfaces.push((name.interface.to_owned(), (*export).to_owned()));
    }
    let has = |wanted: &str| interfaces.iter().any(|(name, _)| name == wanted);
    if interfaces.is_empty() {
        // Bounded: a component may export thousands of names of any length.
        let shown = all.iter().take(20).map(|name| name.chars().take(100).collect());
        return Err(WorldError::NoPlugin { exports: shown.collect() });
    }
    let world = decide(&has).map_err(|missing| match missing {
        Undecided::Missing(missing) => WorldError::Incomplete {
            exports: interfaces.iter().map(|(_, export)| export.clone()).collect(),
            missing: format!("{CONTRACT}/{missing}"),
        },
        Undecided::Several(worlds) => WorldError::Ambiguous { worlds },
    })?;
    if !world.is_run() {
        return Err(WorldError::NotRun { world });
    }
    Ok(Exports { world, interfaces })
}

enum Undecided {
    Missing(&'static str),
    Several(Vec<World>),
}

fn decide(has: &impl Fn(&str) -> bool) -> Result<World, Undecided> {
    if !has("definition") {
        return Err(Undecided::Missing("definition"));
    }
    if has("inversion") && !has("reduction") {
        return Err(Undecided::Missing("reduction"));
    }
    let mut worlds: Vec<World> =
        World::ALL.into_iter().filter(|world| world.interfaces().iter().all(|i| has(i))).collect();
    if worlds.first() == Some(&World::InvertibleReducer) {
        worlds.retain(|world| *world != World::Reducer);
    }
    match worlds.as_slice() {
        [] => Err(Undecided::Missing(
            "transformer` or `tidemill:plugin/predicate` or `tidemill:plugin/reduction",
        )),
        [world] => Ok(*world),
        _ => Err(Undecided::Several(worlds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world_of(exports: &[&str]) -> Result<World, String> {
        find_world(exports.iter().copied()).map(|found| found.world).map_err(|e| e.to_string())
    }

    #[test]
    fn worlds_are_told_by_their_interfaces() {
        let definition = "tidemill:plugin/definition@0.1.0";
        let cases: [(&[&str], Result<World, &str>); 8] = [
            (&[definition, "tidemill:plugin/transformer@0.1.3", "init"], Ok(World::Transform)),
            (&[definition, "tidemill:plugin/predicate@0.1.0"], Ok(World::Filter)),
            (&[definition, "tidemill:plugin/reduction@0.1.0"], Ok(World::Reducer)),
            (
                &[definition, "tidemill:plugin/reduction@0.1.0", "tidemill:plugin/inversion@0.1.0"],
                Ok(World::InvertibleReducer),
            ),
            (
                &[definition, "tidemill:plugin/joining@0.1.0"],
                Err("it is a joiner, which this version of Tidemill does not run yet"),
            ),
            (
                &["wasi:cli/run@0.2.0"],
                Err("it exports nothing of `tidemill:plugin`, but `wasi:cli/run@0.2.0`"),
            ),
            (
                &["tidemill:plugin/transformer@0.1.0"],
                Err(
                    "it exports `tidemill:plugin/transformer@0.1.0`, but `tidemill:plugin/definition` is missing",
                ),
            ),
            (
                &["tidemill:plugin/transformer@0.2.0"],
                Err(
                    "it exports `tidemill:plugin/transformer@0.2.0`; this host speaks tidemill:plugin 0.1",
                ),
            ),
        ];
        for (exports, expected) in cases {
            assert_eq!(world_of(exports), expected.map_err(str::to_owned), "{exports:?}");
        }
    }

    #[test]
    fn two_worlds_at_once_are_refused() {
        let exports = [
            "tidemill:plugin/definition@0.1.0",
            "tidemill:plugin/transformer@0.1.0",
            "tidemill:plugin/predicate@0.1.0",
        ];
        assert_eq!(world_of(&exports), Err("it is a transform and a filter at once".to_owned()));
    }
}
