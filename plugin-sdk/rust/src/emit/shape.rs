//! Which parts emitted records have.

use super::content::Kind;

/// Which parts the emitted records have: two bits of [`Kind`] for each column, one for timestamps and
/// one for ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(pub(super) u8);

/// The place of a column in a [`Shape`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Key = 0,
    Value = 2,
    Headers = 4,
}

impl Shape {
    pub const TIMESTAMPS: u8 = 1 << 6;
    pub const PORTS: u8 = 1 << 7;

    #[inline(always)]
    pub const fn of(key: Kind, value: Kind, headers: Kind, timestamp: bool, port: bool) -> Self {
        Self(
            key as u8
                | (value as u8) << Part::Value as u8
                | (headers as u8) << Part::Headers as u8
                | (timestamp as u8 * Self::TIMESTAMPS)
                | (port as u8 * Self::PORTS),
        )
    }

    pub fn kind(self, part: Part) -> Kind {
        match self.0 >> part as u8 & 3 {
            0 => Kind::Inherit,
            1 => Kind::Bytes,
            2 => Kind::Empty,
            _ => Kind::Null,
        }
    }

    pub fn set(&mut self, part: Part, kind: Kind) {
        self.0 = self.0 & !(3 << part as u8) | (kind as u8) << part as u8;
    }

    pub fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}
