//! How a check ends, and what a failed call means to it.

use tidemill_plugin::{CallFault, ConfigureError};

use super::super::report::{Finding, Verdict};
use super::super::subject::RunError;
use crate::cli::chain;

/// `Ok` with something to know, or nothing.
pub type Judged = Result<Option<String>, Bad>;

/// How a check ends that has not passed.
#[derive(Debug, PartialEq, Eq)]
pub enum Bad {
    Failed(String),
    Skipped(String),
}

/// A check that failed.
pub fn failed<T>(why: impl Into<String>) -> Result<T, Bad> {
    Err(Bad::Failed(why.into()))
}

pub fn finding(name: &str, judged: Judged) -> Finding {
    match judged {
        Ok(None) => Finding::new(name, Verdict::Passed, None),
        Ok(Some(note)) => Finding::new(name, Verdict::Noted, Some(note)),
        Err(Bad::Skipped(why)) => Finding::new(name, Verdict::Skipped, Some(why)),
        Err(Bad::Failed(why)) => Finding::new(name, Verdict::Failed, Some(why)),
    }
}

/// What a call gave, or the message with which the plugin itself failed it. Any other fault fails the check.
pub fn allowed<T>(result: Result<T, RunError>) -> Result<Result<T, String>, Bad> {
    match result {
        Ok(ran) => Ok(Ok(ran)),
        Err(RunError::Call(error)) => match error.fault {
            CallFault::Failed { message, .. } => Ok(Err(message)),
            fault => failed(chain(&fault)),
        },
        Err(error) => failed(chain(&error)),
    }
}

/// As [`allowed`], for a call that has to give something: a plugin that fails it cannot be checked with it.
pub fn needed<T>(result: Result<T, RunError>) -> Result<T, Bad> {
    allowed(result)?.map_err(|message| {
        Bad::Skipped(format!("no records were found that it takes: it fails with `{message}`"))
    })
}

/// As [`needed`], for records that the plugin has taken before.
pub fn again<T>(result: Result<T, RunError>, place: &str) -> Result<T, Bad> {
    allowed(result)?.or_else(|message| {
        failed(format!("the plugin takes these records, but fails {place}: {message}"))
    })
}

/// Passed, or a note of the plugin's own failure.
pub fn noted<T>(result: Result<T, RunError>) -> Judged {
    Ok(allowed(result)?.err().map(|message| format!("the plugin fails such a call: {message}")))
}

pub fn started<T>(result: Result<T, ConfigureError>) -> Result<T, Bad> {
    result.or_else(|error| failed(chain(&error)))
}
