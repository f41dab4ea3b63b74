//! Names, positions and ids, each its own type, so that two integers that must not be
//! mixed cannot be.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a raw value.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The raw value.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number!(
    /// The position of a record in its partition; the first is 0.
    Offset(i64)
);
number!(
    /// The index of a partition in its topic; the first is 0.
    PartitionId(u32)
);
number!(
    /// Raised whenever recovery truncates a partition, so that clients notice (KIP-320).
    LeaderEpoch(i32)
);
number!(
    /// Identifies an idempotent or transactional producer; -1 is none.
    ProducerId(i64)
);
number!(
    /// The generation of a producer; a newer one fences the older ones.
    ProducerEpoch(i16)
);
number!(
    /// The number of a record among those of one producer in one partition; -1 is none.
    Sequence(i32)
);

impl Offset {
    /// The first offset of every partition.
    pub const ZERO: Self = Self(0);

    /// The offset `count` further on; saturates at the largest.
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl ProducerId {
    /// The id of batches that no idempotent producer sent.
    pub const NONE: Self = Self(-1);

    /// Whether this is an id at all.
    pub const fn is_some(self) -> bool {
        self.0 >= 0
    }
}

impl ProducerEpoch {
    /// The epoch of batches that no idempotent producer sent.
    pub const NONE: Self = Self(-1);
}

impl Sequence {
    /// The sequence of batches that no idempotent producer sent.
    pub const NONE: Self = Self(-1);

    /// The sequence `count` further on. After the largest comes 0, as in Kafka.
    #[must_use]
    pub const fn plus(self, count: i32) -> Self {
        let sum = self.0 as i64 + count as i64;
        Self((sum % (i32::MAX as i64 + 1)) as i32)
    }
}

/// Why a topic's name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a topic's name is empty")]
    Empty,
    /// Longer than [`TopicName::BYTES_MAX`].
    #[error("a topic's name has {length} bytes; at most {} are allowed", TopicName::BYTES_MAX)]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// `.` and `..` would leave the data folder.
    #[error("a topic cannot be named {name:?}")]
    Dots {
        /// The refused name.
        name: String,
    },
    /// A character outside of ASCII letters, digits, `.`, `_` and `-`.
    #[error(
        "the topic's name {name:?} contains {character:?}; letters, digits, '.', '_' and '-' are allowed"
    )]
    Character {
        /// The refused name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

/// A topic's name, valid by Kafka's rules: 1 to 249 of `[A-Za-z0-9._-]`, not `.` or `..`.
///
/// **A name is always safe as the name of a folder.**
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The longest name allowed.
    pub const BYTES_MAX: usize = 249;

    /// Checks `name` by Kafka's rules.
    ///
    /// # Errors
    /// [`NameError`] says which rule is broken.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::BYTES_MAX {
            return Err(NameError::TooLong { length: name.len() });
        }
        if name == "." || name == ".." {
            return Err(NameError::Dots { name: name.into() });
        }
        let allowed = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if let Some(character) = name.chars().find(allowed) {
            return Err(NameError::Character { name: name.into(), character });
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the log keeps this topic for itself (`__consumer_offsets`, `__transaction_state`).
    pub fn is_internal(&self) -> bool {
        self.0.starts_with("__")
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<String> for TopicName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl TryFrom<&str> for TopicName {
    type Error = NameError;
    fn try_from(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl std::str::FromStr for TopicName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().into()
    }
}

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition in it.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: TopicName, partition: PartitionId) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["a", "access-log", "A.b_c-9", "...", &"x".repeat(249)] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ü", "a\0", &"x".repeat(250)] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(Sequence::new(i32::MAX).plus(1), Sequence::new(0));
        assert_eq!(Sequence::new(5).plus(3), Sequence::new(8));
    }
}
