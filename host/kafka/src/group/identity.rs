//! The names and numbers of a group, each its own type.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// What the coordinator calls a member. A member that starts again gets another one.
    MemberId
);
name!(
    /// What a static member calls itself (`group.instance.id`). It keeps it when it starts again.
    InstanceId
);
name!(
    /// How a group divides its partitions, such as `range` or `cooperative-sticky`.
    ProtocolName
);

/// The number of a round of assignments. It only grows, also while the group is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(i32);

impl Generation {
    /// Wraps a raw value; below 0 is none.
    pub const fn new(value: i32) -> Self {
        Self(value)
    }

    /// The raw value.
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Whether the caller names a generation at all.
    pub const fn is_some(self) -> bool {
        self.0 >= 0
    }

    /// The one after this. After the largest comes 1.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self(1),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request that waits for its answer. Given out by whoever holds the request, never twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that is to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaveId(pub(super) u64);
