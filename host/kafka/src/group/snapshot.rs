//! A group as it is kept: Kafka's `GroupMetadataValue`, version 3.
//!
//! A generation that was answered for is on disk, so that after a restart its members go on with
//! their heartbeats and commits, and static members come back without a rebalance.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::Group;
use super::identity::{Generation, InstanceId, MemberId, ProtocolName};
use super::member::{Member, Members};
use super::request::{Now, Protocol};
use super::state::{Assignments, Completing, Empty, Roster, Stable, State};

/// The version that is written. Older ones are read as well.
const VERSION: i16 = 3;

/// What is kept of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the members it has, or had last.
    pub protocol_type: Option<Arc<str>>,
    /// The latest generation.
    pub generation: Generation,
    /// The chosen way to divide partitions; none while the group is empty.
    pub protocol: Option<ProtocolName>,
    /// Who assigns; nobody while the group is empty.
    pub leader: Option<MemberId>,
    /// Since when it is in this state, by the wall clock.
    pub since_ms: i64,
    /// The members with what they were assigned.
    pub members: Vec<SavedMember>,
}

/// What is kept of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMember {
    /// Its id.
    pub id: MemberId,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connected from.
    pub client_host: Arc<str>,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// A member that is silent for longer is gone.
    pub session_timeout: Duration,
    /// What it says about itself for the chosen protocol.
    pub metadata: Bytes,
    /// What it was assigned.
    pub assignment: Bytes,
}

/// Why a kept group cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by something newer.
    #[error("a group's metadata have version {version}; 0 to {VERSION} are understood")]
    Version {
        /// As written.
        version: i16,
    },
    /// Not what this version looks like.
    #[error("a group's metadata end, or break off, in {field}")]
    Malformed {
        /// Where.
        field: &'static str,
    },
}

impl Group {
    /// What is to be kept of it now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let nothing = Assignments::new();
        let (roster, assignments) = match &self.state {
            State::Stable(Stable { roster, assignments, .. })
            | State::Completing(Completing { roster, saving: Some((_, assignments)), .. }) => {
                (Some(roster), assignments)
            }
            State::Completing(Completing { roster, .. }) => (Some(roster), &nothing),
            State::Empty(_) | State::Preparing(_) | State::Dead => (None, &nothing),
        };
        let since_ms = match &self.state {
            State::Empty(empty) => empty.since_ms,
            _ => -1,
        };
        let members = roster.into_iter().flat_map(|roster| {
            roster.members.iter().map(|(id, member)| SavedMember {
                id: id.clone(),
                instance: member.instance.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout: member.rebalance_timeout,
                session_timeout: member.session_timeout,
                metadata: member.metadata(&roster.protocol),
                assignment: assignments.get(id).cloned().unwrap_or_default(),
            })
        });
        Snapshot {
            protocol_type: self.protocol_type().cloned(),
            generation: self.generation,
            protocol: roster.map(|roster| roster.protocol.clone()),
            leader: roster.map(|roster| roster.leader.clone()),
            since_ms,
            members: members.collect(),
        }
    }

    /// A group as it was kept. Its members have a session from now on.
    pub fn restore(kept: Snapshot, now: Now) -> Self {
        let is_empty = kept.members.is_empty();
        let (Some(protocol_type), Some(protocol), Some(leader), false) =
            (&kept.protocol_type, kept.protocol, kept.leader, is_empty)
        else {
            let since_ms = kept.since_ms;
            let empty = Empty { protocol_type: kept.protocol_type, since_ms };
            return Self::in_state(kept.generation, State::Empty(empty));
        };
        let mut members = Members::new(protocol_type.clone());
        let mut assignments = Assignments::new();
        for saved in kept.members {
            assignments.insert(saved.id.clone(), saved.assignment);
            let offered = Protocol { name: protocol.clone(), metadata: saved.metadata };
            let member = Member {
                instance: saved.instance,
                client_id: saved.client_id,
                client_host: saved.client_host,
                session_timeout: saved.session_timeout,
                rebalance_timeout: saved.rebalance_timeout,
                protocols: vec![offered],
                expires_at: now.at + saved.session_timeout,
                is_told: true,
            };
            members.insert(saved.id, member);
        }
        let (unsynced, sync_deadline) = Default::default();
        let roster = Roster { members, leader, protocol, unsynced, sync_deadline };
        Self::in_state(kept.generation, State::Stable(Stable::new(roster, assignments)))
    }
}

impl Snapshot {
    /// The bytes that [`Snapshot::decode`] reads.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.put_i16(VERSION);
        put_text(&mut out, self.protocol_type.as_deref().unwrap_or_default());
        out.put_i32(self.generation.get());
        put_optional(&mut out, self.protocol.as_ref().map(ProtocolName::as_str));
        put_optional(&mut out, self.leader.as_ref().map(MemberId::as_str));
        out.put_i64(self.since_ms);
        put_length(&mut out, self.members.len());
        for member in &self.members {
            put_text(&mut out, member.id.as_str());
            put_optional(&mut out, member.instance.as_ref().map(InstanceId::as_str));
            put_text(&mut out, &member.client_id);
            put_text(&mut out, &member.client_host);
            put_timeout(&mut out, member.rebalance_timeout);
            put_timeout(&mut out, member.session_timeout);
            put_bytes(&mut out, &member.metadata);
            put_bytes(&mut out, &member.assignment);
        }
        out.into()
    }

    /// Reads what [`Snapshot::encode`], or Kafka up to version 3, has written.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn decode(bytes: &Bytes) -> Result<Self, SnapshotError> {
        let mut bytes = bytes.clone();
        let version = number(&mut bytes, "version", Buf::try_get_i16)?;
        if !(0..=VERSION).contains(&version) {
            return Err(SnapshotError::Version { version });
        }
        let protocol_type = text(&mut bytes, "protocol type")?;
        let generation = number(&mut bytes, "generation", Buf::try_get_i32)?;
        let protocol = optional(&mut bytes, "protocol")?;
        let leader = optional(&mut bytes, "leader")?;
        let since_ms =
            if version >= 2 { number(&mut bytes, "state's time", Buf::try_get_i64)? } else { -1 };
        let count = number(&mut bytes, "members", Buf::try_get_i32)?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(decode_member(&mut bytes, version)?);
        }
        Ok(Self {
            protocol_type: Some(protocol_type).filter(|it| !it.is_empty()).map(Arc::from),
            generation: Generation::new(generation),
            protocol: protocol.as_deref().map(ProtocolName::from),
            leader: leader.as_deref().map(MemberId::from),
            since_ms,
            members,
        })
    }
}

fn decode_member(bytes: &mut Bytes, version: i16) -> Result<SavedMember, SnapshotError> {
    let id = text(bytes, "member's id")?;
    let instance = if version >= 3 { optional(bytes, "instance")? } else { None };
    let client_id = text(bytes, "client's id")?;
    let client_host = text(bytes, "client's host")?;
    let rebalance = if version >= 1 { Some(timeout(bytes, "rebalance timeout")?) } else { None };
    let session_timeout = timeout(bytes, "session timeout")?;
    Ok(SavedMember {
        id: MemberId::from(&*id),
        instance: instance.as_deref().map(InstanceId::from),
        client_id: client_id.into(),
        client_host: client_host.into(),
        rebalance_timeout: rebalance.unwrap_or(session_timeout),
        session_timeout,
        metadata: blob(bytes, "subscription")?,
        assignment: blob(bytes, "assignment")?,
    })
}

// What a request says was checked against these bounds before it became a member.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn put_text(out: &mut Vec<u8>, text: &str) {
    debug_assert!(i16::try_from(text.len()).is_ok(), "names are checked");
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.put_i16(-1),
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.put_i32(i32::try_from(length).unwrap_or(i32::MAX));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

fn put_timeout(out: &mut Vec<u8>, timeout: Duration) {
    out.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
}

fn number<T, E>(
    bytes: &mut Bytes,
    field: &'static str,
    get: impl FnOnce(&mut Bytes) -> Result<T, E>,
) -> Result<T, SnapshotError> {
    get(bytes).map_err(|_| SnapshotError::Malformed { field })
}

fn timeout(bytes: &mut Bytes, field: &'static str) -> Result<Duration, SnapshotError> {
    let ms = number(bytes, field, Buf::try_get_i32)?;
    Ok(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

fn optional(bytes: &mut Bytes, field: &'static str) -> Result<Option<String>, SnapshotError> {
    let length = number(bytes, field, Buf::try_get_i16)?;
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    let text = take(bytes, length, field)?;
    let text = std::str::from_utf8(&text).map_err(|_| SnapshotError::Malformed { field })?;
    Ok(Some(text.to_owned()))
}

fn text(bytes: &mut Bytes, field: &'static str) -> Result<String, SnapshotError> {
    optional(bytes, field)?.ok_or(SnapshotError::Malformed { field })
}

fn blob(bytes: &mut Bytes, field: &'static str) -> Result<Bytes, SnapshotError> {
    let length = number(bytes, field, Buf::try_get_i32)?;
    let length = usize::try_from(length).map_err(|_| SnapshotError::Malformed { field })?;
    // Its own memory: what it was read from is larger.
    Ok(Bytes::copy_from_slice(&take(bytes, length, field)?))
}

fn take(bytes: &mut Bytes, length: usize, field: &'static str) -> Result<Bytes, SnapshotError> {
    if length > bytes.len() {
        return Err(SnapshotError::Malformed { field });
    }
    Ok(bytes.split_to(length))
}
