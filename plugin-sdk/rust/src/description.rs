//! Who a plugin is and what it can be told.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::BitOr;

/// The parts of a record that a plugin looks at. The host leaves the others out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    /// None.
    pub const NONE: Self = Self(0);
    /// Keys.
    pub const KEYS: Self = Self(1);
    /// Values.
    pub const VALUES: Self = Self(2);
    /// Headers.
    pub const HEADERS: Self = Self(4);
    /// Event times.
    pub const TIMESTAMPS: Self = Self(8);

    /// Whether all of `parts` are among these.
    #[must_use]
    pub const fn contains(self, parts: Self) -> bool {
        self.0 & parts.0 == parts.0
    }

    /// These and `parts`.
    #[must_use]
    pub const fn and(self, parts: Self) -> Self {
        Self(self.0 | parts.0)
    }
}

impl BitOr for Parts {
    type Output = Self;

    fn bitor(self, parts: Self) -> Self {
        self.and(parts)
    }
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A floating-point number.
    Number,
    /// True or false.
    Boolean,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}

/// One parameter, as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Lower case, words joined by `_`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Absent: the pipeline must set it.
    pub default: Option<Value>,
    /// What it does.
    pub doc: String,
}

/// Who a plugin is. Built by the macros.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Lower case, words joined by `-`.
    pub name: &'static str,
    /// A semantic version.
    pub version: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What a pipeline can set.
    pub parameters: Vec<Parameter>,
    /// What the plugin looks at.
    pub reads: Parts,
    /// Names of the outputs. Empty: one, called `out`.
    pub ports: &'static [&'static str],
    /// Rises when accumulators are written in another form than before.
    pub state_version: u32,
}
