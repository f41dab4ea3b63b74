//! Who may commit offsets, and when.
//!
//! **While a commit is under way no new generation begins**, so that the log has the commits of a
//! group in the order of its generations.

use super::Group;
use super::answer::{Effects, Refusal};
use super::request::{Caller, GroupLimits, Now};
use super::state::{State, Turn};

impl Group {
    /// Lets a commit begin; [`Group::end_commit`] must follow.
    ///
    /// # Errors
    /// [`Refusal`]: nothing has begun.
    pub fn begin_commit(&mut self, caller: &Caller, now: Now) -> Result<(), Refusal> {
        let is_nobody = caller.member.is_none() && caller.instance.is_none();
        match &self.state {
            State::Dead => return Err(Refusal::Dead),
            // Consumers that assign themselves take no part in generations.
            State::Empty(_) if !caller.generation.is_some() => {}
            _ if is_nobody && !caller.generation.is_some() => return Err(Refusal::UnknownMember),
            _ => {
                let id = self.identify(caller)?;
                self.touch(&id, now);
                if let State::Completing(_) = &self.state {
                    return Err(Refusal::RebalanceInProgress);
                }
            }
        }
        self.commits += 1;
        Ok(())
    }

    /// Lets somebody who is no member change the group's offsets; [`Group::end_commit`] must
    /// follow.
    ///
    /// # Errors
    /// [`Refusal::RebalanceInProgress`] where the group has members.
    pub fn begin_change(&mut self) -> Result<(), Refusal> {
        match &self.state {
            State::Dead => Err(Refusal::Dead),
            State::Empty(_) => {
                self.commits += 1;
                Ok(())
            }
            State::Preparing(_) | State::Completing(_) | State::Stable(_) => {
                Err(Refusal::RebalanceInProgress)
            }
        }
    }

    /// A commit is over, whether it succeeded or not.
    pub fn end_commit(&mut self, now: Now, limits: &GroupLimits) -> Effects {
        debug_assert!(self.commits > 0, "a commit ends once");
        self.commits = self.commits.saturating_sub(1);
        self.settle(Turn::new(now, limits))
    }
}
