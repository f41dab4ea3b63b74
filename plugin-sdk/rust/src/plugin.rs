//! What the macros make of an author's code: one type that stands for the plugin.

use crate::batch::Record;
use crate::description::{Description, Parts};
use crate::emit::Emitter;
use crate::failure::{Failure, Refusal, Reject};
use crate::parameters::{Parameters, Prepare, Settings};
use crate::reducer::Reducer;
use alloc::boxed::Box;
use alloc::string::String;
use once_cell::race::OnceBox;

/// A plugin of any kind. Implemented by the macros.
pub trait Plugin {
    /// What the author's code is configured with.
    type Settings: Prepare + Send + Sync + 'static;
    /// Lower case, words joined by `-`.
    const NAME: &'static str;
    /// A semantic version.
    const VERSION: &'static str;
    /// One line.
    const SUMMARY: &'static str;
    /// What the plugin looks at.
    const READS: Parts;
    /// Names of the outputs. Empty: one, called `out`.
    const PORTS: &'static [&'static str] = &[];
    /// Rises when accumulators are written in another form than before.
    const STATE_VERSION: u32 = 0;

    /// Where an instance keeps its settings.
    #[doc(hidden)]
    fn slot() -> &'static Slot<Self::Settings>;

    /// Describes the plugin.
    #[must_use]
    fn describe() -> Description {
        Description {
            name: Self::NAME,
            version: Self::VERSION,
            summary: Self::SUMMARY,
            parameters: <Self::Settings as Prepare>::Parameters::describe(),
            reads: Self::READS,
            ports: Self::PORTS,
            state_version: Self::STATE_VERSION,
        }
    }

    /// Reads and prepares the settings.
    ///
    /// # Errors
    /// What is wrong with them, for the person who applied the pipeline.
    fn settings(settings: &Settings) -> Result<Self::Settings, String> {
        Self::Settings::prepare(Parameters::read(settings)?)
    }
}

/// A plugin of the world `transform`.
pub trait Transform: Plugin {
    /// Handles one record.
    ///
    /// # Errors
    /// The record is refused, or the call fails.
    fn transform(
        settings: &Self::Settings,
        record: Record<'_>,
        out: &mut Emitter<'_>,
    ) -> Result<(), Refusal>;
}

/// A plugin of the world `filter`.
pub trait Filter: Plugin {
    /// Whether the record stays.
    ///
    /// # Errors
    /// The call fails.
    fn keep(settings: &Self::Settings, record: Record<'_>) -> Result<bool, Failure>;
}

/// A plugin of the world `reducer`: one whose settings are a [`Reducer`].
pub trait Reduce: Plugin<Settings: Reducer> {}

impl<P: Plugin<Settings: Reducer>> Reduce for P {}

/// What a reducer keeps for each key.
pub type AccumulatorOf<P> = <<P as Plugin>::Settings as Reducer>::Accumulator;

/// A reducer that reads accumulators of older state versions.
pub trait Migrate: Reduce {
    /// Reads an accumulator that was written under `from_version`.
    ///
    /// # Errors
    /// It is of a version that is not known, or damaged.
    fn migrate(from_version: u32, state: &[u8]) -> Result<AccumulatorOf<Self>, Failure>;
}

/// What a transform's function may return: nothing, or a result with [`Reject`], [`Failure`] or
/// [`Refusal`].
pub trait Verdict {
    /// As a result.
    ///
    /// # Errors
    /// What the function refused.
    fn verdict(self) -> Result<(), Refusal>;
}

impl Verdict for () {
    #[inline(always)]
    fn verdict(self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl<E: Into<Refusal>> Verdict for Result<(), E> {
    #[inline(always)]
    fn verdict(self) -> Result<(), Refusal> {
        self.map_err(Into::into)
    }
}

/// What a filter's function may return: `bool`, or a result of it with [`Failure`].
pub trait Decision {
    /// As a result.
    ///
    /// # Errors
    /// What the function failed with.
    fn decision(self) -> Result<bool, Failure>;
}

impl Decision for bool {
    #[inline(always)]
    fn decision(self) -> Result<bool, Failure> {
        Ok(self)
    }
}

impl Decision for Result<bool, Failure> {
    #[inline(always)]
    fn decision(self) -> Result<bool, Failure> {
        self
    }
}

/// The settings of an instance, set once.
#[derive(Debug)]
pub struct Slot<S>(OnceBox<S>);

impl<S> Slot<S> {
    /// Without settings yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// Sets them.
    ///
    /// # Errors
    /// They are set already.
    pub fn set(&self, settings: S) -> Result<(), String> {
        self.0.set(Box::new(settings)).map_err(|_| String::from("configured twice"))
    }

    /// The settings.
    ///
    /// # Errors
    /// The host called the plugin before it configured it.
    pub fn get(&self) -> Result<&S, Failure> {
        self.0.get().ok_or_else(|| Failure::fatal("called before `configure`"))
    }
}

impl<S> Default for Slot<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl From<core::str::Utf8Error> for Reject {
    fn from(_: core::str::Utf8Error) -> Self {
        Self::new("not UTF-8")
    }
}

impl From<core::str::Utf8Error> for Refusal {
    fn from(error: core::str::Utf8Error) -> Self {
        Self::Reject(error.into())
    }
}
