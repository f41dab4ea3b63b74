//! How requests are laid out: one table for each API.
//!
//! The tables serve [`check`](super::check) alone. A test builds requests from them and has
//! `kafka-protocol` decode each to its last byte, so that **the tables and the decoder agree**.

/// What a field is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// So many bytes: a number, a boolean or a UUID.
    Fixed(usize),
    String,
    Bytes,
    /// An array of numbers or UUIDs, each of so many bytes.
    Numbers(usize),
    Strings,
    Structs(&'static [Field]),
}

/// One field, and the versions that have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub since: i16,
    pub until: i16,
    pub kind: Type,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// From this version on lengths are compact, and every struct ends with tagged fields.
    pub flexible_since: i16,
    pub fields: &'static [Field],
}

use Type::{Bytes, Fixed, Numbers, String, Strings, Structs};

const I8: Type = Fixed(1);
const I16: Type = Fixed(2);
const I32: Type = Fixed(4);
const I64: Type = Fixed(8);
const UUID: Type = Fixed(16);

/// In every version.
const fn always(kind: Type) -> Field {
    Field { since: 0, until: i16::MAX, kind }
}

const fn since(since: i16, kind: Type) -> Field {
    Field { since, until: i16::MAX, kind }
}

const fn until(until: i16, kind: Type) -> Field {
    Field { since: 0, until, kind }
}

const fn schema(flexible_since: i16, fields: &'static [Field]) -> Schema {
    Schema { flexible_since, fields }
}

pub(crate) const API_VERSIONS: Schema = schema(3, &[since(3, String), since(3, String)]);

pub(crate) const METADATA: Schema = schema(
    9,
    &[
        always(Structs(&[since(10, UUID), always(String)])),
        since(4, I8),
        Field { since: 8, until: 10, kind: I8 },
        since(8, I8),
    ],
);

pub(crate) const DESCRIBE_CLUSTER: Schema = schema(0, &[always(I8), since(1, I8), since(2, I8)]);

pub(crate) const PRODUCE: Schema = schema(
    9,
    &[
        since(3, String),
        always(I16),
        always(I32),
        always(Structs(&[
            until(12, String),
            since(13, UUID),
            always(Structs(&[always(I32), always(Bytes)])),
        ])),
    ],
);

pub(crate) const INIT_PRODUCER_ID: Schema =
    schema(2, &[always(String), always(I32), since(3, I64), since(3, I16)]);

pub(crate) const FETCH: Schema = schema(
    12,
    &[
        until(14, I32),
        always(I32),
        always(I32),
        always(I32),
        always(I8),
        since(7, I32),
        since(7, I32),
        always(Structs(&[
            until(12, String),
            since(13, UUID),
            always(Structs(&[
                always(I32),
                since(9, I32),
                always(I64),
                since(12, I32),
                since(5, I64),
                always(I32),
            ])),
        ])),
        since(7, Structs(&[until(12, String), since(13, UUID), always(Numbers(4))])),
        since(11, String),
    ],
);

pub(crate) const LIST_OFFSETS: Schema = schema(
    6,
    &[
        always(I32),
        since(2, I8),
        always(Structs(&[
            always(String),
            always(Structs(&[always(I32), since(4, I32), always(I64)])),
        ])),
        since(10, I32),
    ],
);

pub(crate) const OFFSET_FOR_LEADER_EPOCH: Schema = schema(
    4,
    &[
        since(3, I32),
        always(Structs(&[
            always(String),
            always(Structs(&[always(I32), always(I32), always(I32)])),
        ])),
    ],
);

pub(crate) const FIND_COORDINATOR: Schema =
    schema(3, &[until(3, String), since(1, I8), since(4, Strings)]);

pub(crate) const JOIN_GROUP: Schema = schema(
    6,
    &[
        always(String),
        always(I32),
        since(1, I32),
        always(String),
        since(5, String),
        always(String),
        always(Structs(&[always(String), always(Bytes)])),
        since(8, String),
    ],
);

pub(crate) const SYNC_GROUP: Schema = schema(
    4,
    &[
        always(String),
        always(I32),
        always(String),
        since(3, String),
        since(5, String),
        since(5, String),
        always(Structs(&[always(String), always(Bytes)])),
    ],
);

pub(crate) const HEARTBEAT: Schema =
    schema(4, &[always(String), always(I32), always(String), since(3, String)]);

pub(crate) const LEAVE_GROUP: Schema = schema(
    4,
    &[
        always(String),
        until(2, String),
        since(3, Structs(&[always(String), always(String), since(5, String)])),
    ],
);

pub(crate) const OFFSET_COMMIT: Schema = schema(
    8,
    &[
        always(String),
        always(I32),
        always(String),
        since(7, String),
        until(4, I64),
        always(Structs(&[
            always(String),
            always(Structs(&[always(I32), always(I64), since(6, I32), always(String)])),
        ])),
    ],
);

pub(crate) const OFFSET_FETCH: Schema = schema(
    6,
    &[
        until(7, String),
        until(7, Structs(&[always(String), always(Numbers(4))])),
        since(
            8,
            Structs(&[
                always(String),
                since(9, String),
                since(9, I32),
                always(Structs(&[always(String), always(Numbers(4))])),
            ]),
        ),
        since(7, I8),
    ],
);

pub(crate) const OFFSET_DELETE: Schema = schema(
    i16::MAX,
    &[always(String), always(Structs(&[always(String), always(Structs(&[always(I32)]))]))],
);

pub(crate) const DESCRIBE_GROUPS: Schema = schema(5, &[always(Strings), since(3, I8)]);
pub(crate) const LIST_GROUPS: Schema = schema(3, &[since(4, Strings), since(5, Strings)]);
pub(crate) const DELETE_GROUPS: Schema = schema(2, &[always(Strings)]);

pub(crate) const CREATE_TOPICS: Schema = schema(
    5,
    &[
        always(Structs(&[
            always(String),
            always(I32),
            always(I16),
            always(Structs(&[always(I32), always(Numbers(4))])),
            always(Structs(&[always(String), always(String)])),
        ])),
        always(I32),
        always(I8),
    ],
);

pub(crate) const DELETE_TOPICS: Schema = schema(
    4,
    &[since(6, Structs(&[always(String), always(UUID)])), until(5, Strings), always(I32)],
);

pub(crate) const CREATE_PARTITIONS: Schema = schema(
    2,
    &[
        always(Structs(&[always(String), always(I32), always(Structs(&[always(Numbers(4))]))])),
        always(I32),
        always(I8),
    ],
);

pub(crate) const DELETE_RECORDS: Schema = schema(
    2,
    &[
        always(Structs(&[always(String), always(Structs(&[always(I32), always(I64)]))])),
        always(I32),
    ],
);

pub(crate) const DESCRIBE_CONFIGS: Schema = schema(
    4,
    &[always(Structs(&[always(I8), always(String), always(Strings)])), always(I8), since(3, I8)],
);

pub(crate) const ALTER_CONFIGS: Schema = schema(
    2,
    &[
        always(Structs(&[
            always(I8),
            always(String),
            always(Structs(&[always(String), always(String)])),
        ])),
        always(I8),
    ],
);

pub(crate) const INCREMENTAL_ALTER_CONFIGS: Schema = schema(
    1,
    &[
        always(Structs(&[
            always(I8),
            always(String),
            always(Structs(&[always(String), always(I8), always(String)])),
        ])),
        always(I8),
    ],
);
