//! How a plugin says no: to one record, or to a whole call.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// The plugin refuses one record. The operator's policy (`fail`, `skip`, `dead-letter`) decides what
/// happens to it; what it had emitted is taken back, and the other records of the batch go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject(Cow<'static, str>);

impl Reject {
    /// Refuses the record for `reason`, which people read beside the record's offset.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

impl From<Reject> for String {
    fn from(reject: Reject) -> Self {
        reject.0.into_owned()
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl core::error::Error for Reject {}

/// The call fails as a whole; nothing of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Trying the same batch again may help.
    Retryable(String),
    /// It would not.
    Fatal(String),
}

impl Failure {
    /// A failure that will happen again with the same records.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::Fatal(message.into())
    }

    /// A failure that may be gone when the batch is tried again.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable(message.into())
    }

    /// Whether trying the same batch again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retryable(message) | Self::Fatal(message)) = self;
        out.write_str(message)
    }
}

impl core::error::Error for Failure {}

/// What a transform or a filter may return for a record that it cannot handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This record only.
    Reject(Reject),
    /// The whole call.
    Fail(Failure),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}
