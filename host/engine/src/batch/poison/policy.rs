//! What becomes of a call that failed. Pure.

use tidemill_plugin::CallFault;

/// A batch is tried so often, from its last commit, before a failure that the plugin calls
/// retryable counts as a record's.
const RETRIES_FIRST: u32 = 3;

/// What an operator does about bad records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poison {
    /// What becomes of one.
    pub policy: Policy,
    /// The share of a batch's records above which the batch fails instead.
    pub share_max: f64,
}

/// What becomes of a bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The batch fails.
    Fail,
    /// It is left out.
    Skip,
    /// It goes to the sink of this index.
    DeadLetter(usize),
}

/// What to do about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The batch fails; whether it is tried again is the error's to say.
    Fail,
    /// The task begins anew, and hands results on only once their calls have ended.
    BeginAnew,
    /// Find the record.
    Isolate,
}

/// Decides about a failed call. `handed_on`: its result was used before the guest failed in its
/// last step. `retried`: how often the batch was tried before.
#[must_use]
pub fn decide(policy: Policy, fault: &CallFault, handed_on: bool, retried: u32) -> Verdict {
    let waits = matches!(fault, CallFault::Failed { retryable: true, .. });
    match policy {
        Policy::Fail => Verdict::Fail,
        _ if !fault.may_be_of_a_record() => Verdict::Fail,
        _ if waits && retried < RETRIES_FIRST => Verdict::Fail,
        _ if handed_on => Verdict::BeginAnew,
        _ => Verdict::Isolate,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidemill_plugin::StartError;

    use super::*;

    #[test]
    fn a_failed_call_is_judged() {
        let trap = || CallFault::Trap { reason: String::new(), backtrace: String::new() };
        let timeout = || CallFault::Timeout { limit: Duration::ZERO };
        let no_room = || CallFault::Start(StartError::NoRoom { instances_max: 1 });
        let failed = |retryable| CallFault::Failed { retryable, message: String::new() };
        let rows = [
            (Policy::Fail, trap(), false, 0, Verdict::Fail),
            (Policy::Fail, trap(), true, 9, Verdict::Fail),
            (Policy::Skip, trap(), false, 0, Verdict::Isolate),
            (Policy::Skip, trap(), true, 0, Verdict::BeginAnew),
            (Policy::Skip, timeout(), false, 0, Verdict::Isolate),
            (Policy::DeadLetter(1), failed(false), false, 0, Verdict::Isolate),
            // The plugin asks for another try: it gets some.
            (Policy::DeadLetter(1), failed(true), false, 2, Verdict::Fail),
            (Policy::DeadLetter(1), failed(true), false, 3, Verdict::Isolate),
            // No record is to blame.
            (Policy::Skip, no_room(), false, 9, Verdict::Fail),
        ];
        for (policy, fault, handed_on, retried, verdict) in rows {
            let decided = decide(policy, &fault, handed_on, retried);
            assert_eq!(decided, verdict, "{policy:?}, {fault:?}, {handed_on}, {retried}");
        }
    }
}
