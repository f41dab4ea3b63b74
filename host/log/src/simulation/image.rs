//! What a disk may look like after a power loss.
//!
//! **Synced changes are there; of the others each may be there, lost or torn**, in any
//! combination: the kernel writes back in an order of its own.

use std::collections::BTreeMap;

use super::SimulatedRandom;
use super::disk::{FileChange, FileNode, NameChange, Node, NodeId, ROOT, SimulatedDisk, State};

/// Disks write sectors whole.
const SECTOR_BYTES: usize = 512;

/// What happens to changes that were not synced.
#[derive(Clone, Copy)]
enum Mode {
    AllKept,
    AllLost,
    /// In order, up to some point.
    Prefix,
    /// Each on its own.
    Any,
}

impl Mode {
    fn choose(random: &SimulatedRandom) -> Self {
        match random.below(6) {
            0 => Self::AllKept,
            1 => Self::AllLost,
            2 | 3 => Self::Prefix,
            _ => Self::Any,
        }
    }
}

/// What happens to one change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    Torn,
}

/// Decides the fates of changes, one after the other.
struct Fates<'a> {
    random: &'a SimulatedRandom,
    mode: Mode,
    /// With [`Mode::Prefix`]: the changes before the first one that is not kept.
    left: u64,
}

impl<'a> Fates<'a> {
    fn new(random: &'a SimulatedRandom, mode: Mode, count: usize) -> Self {
        Self { random, mode, left: random.below(count as u64 + 1) }
    }

    fn next(&mut self) -> Fate {
        match self.mode {
            Mode::AllKept => Fate::Kept,
            Mode::AllLost => Fate::Lost,
            Mode::Prefix => {
                let fate = match self.left {
                    0 => Fate::Lost,
                    1 => Fate::Torn,
                    _ => Fate::Kept,
                };
                self.left = self.left.saturating_sub(1);
                fate
            }
            Mode::Any => match self.random.below(4) {
                0 => Fate::Lost,
                1 => Fate::Torn,
                _ => Fate::Kept,
            },
        }
    }
}

pub(super) fn after_crash(state: &State, seed: u64) -> SimulatedDisk {
    let random = SimulatedRandom::new(seed);
    let mut nodes = BTreeMap::new();
    for (id, node) in &state.nodes {
        let node = match node {
            Node::Folder(_) => Node::Folder(BTreeMap::new()),
            Node::File(file) => Node::File(crashed_file(file, &random)),
        };
        nodes.insert(*id, node);
    }
    let names = crashed_names(&state.names, &mut nodes, &random);
    remove_unreachable(&mut nodes);
    SimulatedDisk::from_nodes(nodes, names, state.next_node)
}

fn crashed_file(file: &FileNode, random: &SimulatedRandom) -> FileNode {
    let mode = Mode::choose(random);
    let mut fates = Fates::new(random, mode, file.pending.len());
    let mut content = file.synced.clone();
    for change in &file.pending {
        match (fates.next(), change) {
            (Fate::Kept, change) => change.apply(&mut content),
            (Fate::Torn, FileChange::Write { position, bytes }) => {
                tear(&mut content, *position, bytes, random);
            }
            (Fate::Lost, FileChange::Write { position, bytes }) if random.below(3) == 0 => {
                // The length is on disk, the bytes are not.
                let length = content.len().max(position + bytes.len());
                content.resize(length, 0);
            }
            (Fate::Lost | Fate::Torn, _) => {}
        }
    }
    FileNode { synced: content.clone(), live: content, pending: Vec::new() }
}

/// Applies a part of a write: its beginning, or some of its sectors.
fn tear(content: &mut Vec<u8>, position: usize, bytes: &[u8], random: &SimulatedRandom) {
    if random.below(2) == 0 {
        let kept = usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap_or(0);
        FileChange::Write { position, bytes: bytes[..kept].to_vec() }.apply(content);
        return;
    }
    for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
        if random.below(2) == 0 {
            let position = position + index * SECTOR_BYTES;
            FileChange::Write { position, bytes: sector.to_vec() }.apply(content);
        }
    }
}

/// Applies the changes of names that survive, and returns them.
fn crashed_names(
    changes: &[NameChange],
    nodes: &mut BTreeMap<NodeId, Node>,
    random: &SimulatedRandom,
) -> Vec<NameChange> {
    let mode = Mode::choose(random);
    let unsynced = changes.iter().filter(|change| !change.is_synced).count();
    let mut fates = Fates::new(random, mode, unsynced);
    let mut kept = Vec::new();
    for change in changes {
        if change.is_synced || fates.next() == Fate::Kept {
            change.apply(nodes);
            kept.push(NameChange { is_synced: true, ..change.clone() });
        }
    }
    kept
}

fn remove_unreachable(nodes: &mut BTreeMap<NodeId, Node>) {
    let mut reachable = std::collections::BTreeSet::new();
    let mut found = vec![ROOT];
    while let Some(id) = found.pop() {
        if reachable.insert(id)
            && let Some(Node::Folder(names)) = nodes.get(&id)
        {
            found.extend(names.values());
        }
    }
    nodes.retain(|id, _| reachable.contains(id));
}
