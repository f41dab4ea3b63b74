//! The members of a group, dynamic and static.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::{JoinedMember, Refusal};
use super::identity::{InstanceId, MemberId, ProtocolName};
use super::request::{GroupLimits, Joining, Protocol};

/// Names are written with 16-bit lengths.
const NAME_BYTES_MAX: usize = i16::MAX as usize;

/// Clients offer one or two. Choosing compares all with all.
const PROTOCOLS_MAX: usize = 32;

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocols: Vec<Protocol>,
    /// It is gone when it is not heard of until then, unless a request of it is parked.
    pub expires_at: Duration,
    /// Whether it has been told its id. One that has not can never come back.
    pub is_told: bool,
}

impl Member {
    pub fn new(request: Joining, now: Duration, is_told: bool) -> Self {
        Self {
            expires_at: now + request.session_timeout,
            instance: request.instance,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            is_told,
        }
    }

    pub fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    pub fn metadata(&self, protocol: &ProtocolName) -> Bytes {
        let found = self.protocols.iter().find(|known| known.name == *protocol);
        found.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        let instance = self.instance.as_ref().map_or(0, |instance| instance.as_str().len());
        instance + self.client_id.len() + self.client_host.len() + protocol_bytes(&self.protocols)
    }
}

fn protocol_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|protocol| protocol.name.as_str().len() + protocol.metadata.len()).sum()
}

/// All members of a group, at least one but for moments.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub protocol_type: Arc<str>,
    by_id: BTreeMap<MemberId, Member>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// What all of them say about themselves.
    bytes: usize,
}

impl Members {
    pub fn new(protocol_type: Arc<str>) -> Self {
        Self { protocol_type, by_id: BTreeMap::new(), instances: BTreeMap::new(), bytes: 0 }
    }

    /// The bytes that all of them say about themselves.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn contains(&self, id: &MemberId) -> bool {
        self.by_id.contains_key(id)
    }

    /// It was heard of.
    pub fn touch(&mut self, id: &MemberId, now: Duration) {
        if let Some(member) = self.by_id.get_mut(id) {
            member.expires_at = now + member.session_timeout;
        }
    }

    /// It is about to be told its id, and can come back.
    pub fn tell(&mut self, id: &MemberId) {
        if let Some(member) = self.by_id.get_mut(id) {
            member.is_told = true;
        }
    }

    pub fn get(&self, id: &MemberId) -> Option<&Member> {
        self.by_id.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&MemberId, &Member)> + Clone {
        self.by_id.iter()
    }

    pub fn values(&self) -> impl Iterator<Item = &Member> + Clone {
        self.by_id.values()
    }

    /// Who is now behind a static name.
    pub fn of_instance(&self, instance: &InstanceId) -> Option<&MemberId> {
        self.instances.get(instance)
    }

    /// Puts a member in, in place of one with its id.
    pub fn insert(&mut self, id: MemberId, member: Member) {
        self.remove(&id);
        self.bytes += member.bytes();
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.by_id.insert(id, member);
    }

    pub fn remove(&mut self, id: &MemberId) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        self.bytes -= member.bytes();
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        Some(member)
    }

    /// Finds who a request means.
    ///
    /// # Errors
    /// [`Refusal::FencedInstance`] where another client has the instance's place,
    /// [`Refusal::UnknownMember`] where nobody is meant.
    pub fn find(
        &self,
        id: Option<&MemberId>,
        instance: Option<&InstanceId>,
    ) -> Result<&MemberId, Refusal> {
        if let Some(instance) = instance {
            let current = self.of_instance(instance).ok_or(Refusal::UnknownMember)?;
            return match id {
                Some(id) if id != current => Err(Refusal::FencedInstance),
                _ => Ok(current),
            };
        }
        let known = id.and_then(|id| self.by_id.get_key_value(id));
        known.map(|(id, _)| id).ok_or(Refusal::UnknownMember)
    }

    /// How long the slowest member may take to join again.
    pub fn rebalance_timeout(&self) -> Duration {
        self.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Everybody, as the leader sees them.
    pub fn for_leader(&self, protocol: &ProtocolName) -> Vec<JoinedMember> {
        let member = |(id, member): (&MemberId, &Member)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.iter().map(member).collect()
    }

    /// Whether there is room for what `request` says, in place of what `replaced` said.
    pub fn check_bytes(
        &self,
        request: &Joining,
        replaced: Option<&MemberId>,
        limits: &GroupLimits,
    ) -> Result<(), Refusal> {
        let before = replaced.and_then(|id| self.get(id)).map_or(0, Member::bytes);
        let size = self.bytes - before + said_by(request);
        at_most(limits.group_bytes_max, size, "bytes of metadata in the group")
    }
}

fn said_by(request: &Joining) -> usize {
    let instance = request.instance.as_ref().map_or(0, |instance| instance.as_str().len());
    instance
        + request.client_id.len()
        + request.client_host.len()
        + protocol_bytes(&request.protocols)
}

/// Checks what a request says against the bounds that do not depend on the group.
pub(super) fn check(request: &Joining, limits: &GroupLimits) -> Result<(), Refusal> {
    let (min, max) = (limits.session_timeout_min, limits.session_timeout_max);
    let timeout = request.session_timeout;
    if !(min..=max).contains(&timeout) {
        return Err(Refusal::SessionTimeout { timeout, min, max });
    }
    if request.protocol_type.is_empty() || request.protocols.is_empty() {
        return Err(Refusal::InconsistentProtocol);
    }
    let names = [&*request.protocol_type, &*request.client_id, &*request.client_host];
    let instance = request.instance.as_ref().map(InstanceId::as_str);
    let protocols = request.protocols.iter().map(|protocol| protocol.name.as_str());
    let longest = names.into_iter().chain(instance).chain(protocols).map(str::len).max();
    at_most(NAME_BYTES_MAX, longest.unwrap_or_default(), "bytes of a name")?;
    at_most(PROTOCOLS_MAX, request.protocols.len(), "protocols")?;
    at_most(limits.member_bytes_max, said_by(request), "bytes of metadata")
}

pub(super) fn at_most(max: usize, size: usize, what: &'static str) -> Result<(), Refusal> {
    if size > max { Err(Refusal::TooLarge { what, size, max }) } else { Ok(()) }
}
