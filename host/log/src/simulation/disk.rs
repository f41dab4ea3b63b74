//! A disk in memory that counts its operations, fails on demand, and remembers what has been
//! synced.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::image;
use crate::disk::{Disk, DiskFile, DiskLock, Entry, OpenMode};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With an I/O error, once; a write may leave a part.
    Error,
    /// The machine loses power: this operation and all later ones fail.
    PowerLoss,
}

/// A disk in memory.
#[derive(Default)]
pub struct SimulatedDisk {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub nodes: BTreeMap<NodeId, Node>,
    /// Every change of a name, in order.
    pub names: Vec<NameChange>,
    /// Places in `names` of those that were not synced.
    unsynced: Vec<usize>,
    locks: HashSet<PathBuf>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    is_off: bool,
    bytes_max: Option<u64>,
    pub next_node: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub u64);

pub(super) const ROOT: NodeId = NodeId(0);

/// A file or a folder.
#[derive(Clone, Debug)]
pub(super) enum Node {
    File(FileNode),
    Folder(BTreeMap<String, NodeId>),
}

/// A file: what survives for sure, what is there, and the changes between the two.
#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    pub synced: Vec<u8>,
    pub live: Vec<u8>,
    pub pending: Vec<FileChange>,
}

#[derive(Clone, Debug)]
pub(super) enum FileChange {
    Write { position: usize, bytes: Vec<u8> },
    SetLength(usize),
}

/// A change of names, which survives for sure once one of its folders is synced.
#[derive(Clone, Debug)]
pub(super) struct NameChange {
    pub removed: Option<(NodeId, String)>,
    pub added: Option<(NodeId, String, NodeId)>,
    pub is_synced: bool,
}

impl FileChange {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => {
                let end = position + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*position..end].copy_from_slice(bytes);
            }
            Self::SetLength(length) => content.resize(*length, 0),
        }
    }
}

impl NameChange {
    pub(super) fn apply(&self, nodes: &mut BTreeMap<NodeId, Node>) {
        if let Some((folder, name)) = &self.removed
            && let Some(Node::Folder(names)) = nodes.get_mut(folder)
        {
            names.remove(name);
        }
        if let Some((folder, name, node)) = &self.added
            && let Some(Node::Folder(names)) = nodes.get_mut(folder)
        {
            names.insert(name.clone(), *node);
        }
    }
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        let disk = Self::default();
        disk.shared.lock().nodes.insert(ROOT, Node::Folder(BTreeMap::new()));
        disk.shared.lock().next_node = 1;
        disk
    }

    /// All of `names` are synced. `next_node` is a number that no node ever had: `names` tells of nodes that
    /// are gone.
    pub(super) fn from_nodes(
        nodes: BTreeMap<NodeId, Node>,
        names: Vec<NameChange>,
        next_node: u64,
    ) -> Self {
        let state = State { nodes, names, next_node, ..State::default() };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// Lets operation number `operation` fail, counted from the disk's beginning.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.shared.lock().fault = Some((operation, fault));
    }

    /// Whether the power was lost.
    pub fn is_off(&self) -> bool {
        self.shared.lock().is_off
    }

    /// Lets the disk be full at so many bytes; none: never.
    pub fn limit_bytes(&self, bytes_max: Option<u64>) {
        self.shared.lock().bytes_max = bytes_max;
    }

    /// The bytes in all files.
    pub fn bytes(&self) -> u64 {
        self.shared.lock().bytes()
    }

    /// The disk after a power loss: one of its legal images, chosen by `seed`. Each change
    /// that was not synced is there, or lost, or torn.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        image::after_crash(&self.shared.lock(), seed)
    }

    /// Changes the bytes of a file behind the log's back.
    ///
    /// # Errors
    /// `NotFound` without such a file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.shared.lock();
        let id = state.find(path)?;
        let file = state.file(id)?;
        change(&mut file.live);
        file.synced = file.live.clone();
        file.pending.clear();
        Ok(())
    }

    fn act<T>(&self, action: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.lock();
        state.count()?;
        action(&mut state)
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("no `{}` on the simulated disk", path.display()),
    )
}

fn names_of(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

impl State {
    /// Counts an operation, and lets it fail where it should.
    fn count(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fault {
            _ if self.is_off => {}
            Some((at, Fault::Error)) if self.operations == at => {
                return Err(io::Error::other("simulated I/O error"));
            }
            Some((at, Fault::PowerLoss)) if self.operations >= at => self.is_off = true,
            _ => return Ok(()),
        }
        Err(io::Error::other("simulated power loss"))
    }

    fn bytes(&self) -> u64 {
        let files = self.nodes.values().filter_map(|node| match node {
            Node::File(file) => Some(file.live.len() as u64),
            Node::Folder(_) => None,
        });
        files.sum()
    }

    fn find(&self, path: &Path) -> io::Result<NodeId> {
        names_of(path).try_fold(ROOT, |folder, name| {
            let names = self.names_in(folder, path)?;
            names.get(name).copied().ok_or_else(|| not_found(path))
        })
    }

    fn names_in(&self, folder: NodeId, path: &Path) -> io::Result<&BTreeMap<String, NodeId>> {
        match self.nodes.get(&folder) {
            Some(Node::Folder(names)) => Ok(names),
            _ => Err(not_found(path)),
        }
    }

    /// The folder that contains `path`, and the name in it.
    fn place(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let folder = self.find(path.parent().ok_or_else(|| not_found(path))?)?;
        let name = names_of(path).last().ok_or_else(|| not_found(path))?;
        self.names_in(folder, path)?;
        Ok((folder, name.to_owned()))
    }

    fn file(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::Error::other("a folder is no file")),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.nodes);
        self.unsynced.push(self.names.len());
        self.names.push(change);
    }

    fn add(&mut self, folder: NodeId, name: String, node: Node) -> NodeId {
        let id = NodeId(self.next_node);
        self.next_node += 1;
        self.nodes.insert(id, node);
        let added = Some((folder, name, id));
        self.change_names(NameChange { removed: None, added, is_synced: false });
        id
    }

    fn change_file(&mut self, id: NodeId, change: FileChange) -> io::Result<()> {
        let file = self.file(id)?;
        change.apply(&mut file.live);
        file.pending.push(change);
        Ok(())
    }

    /// Writes as much as there is room for.
    fn write(&mut self, id: NodeId, position: u64, bytes: &[u8]) -> io::Result<()> {
        let position = usize::try_from(position).map_err(io::Error::other)?;
        let length = self.file(id)?.live.len();
        let grows = (position + bytes.len()).saturating_sub(length) as u64;
        let room = self.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(self.bytes()));
        let missing = usize::try_from(grows.saturating_sub(room)).map_err(io::Error::other)?;
        let fits = bytes.len().saturating_sub(missing);
        let written = bytes[..fits].to_vec();
        self.change_file(id, FileChange::Write { position, bytes: written })?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for SimulatedDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.act(|state| {
            let mut folder = ROOT;
            for name in names_of(dir) {
                folder = match state.names_in(folder, dir)?.get(name) {
                    Some(&id) => id,
                    None => state.add(folder, name.to_owned(), Node::Folder(BTreeMap::new())),
                };
            }
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.act(|state| {
            let folder = state.find(dir)?;
            let entry = |(name, id): (&String, &NodeId)| Entry {
                name: name.clone(),
                is_dir: matches!(state.nodes.get(id), Some(Node::Folder(_))),
            };
            Ok(state.names_in(folder, dir)?.iter().map(entry).collect())
        })
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.act(|state| {
            let (folder, name) = state.place(path)?;
            let known = state.names_in(folder, path)?.get(&name).copied();
            match (known, mode) {
                (Some(id), OpenMode::Create) => {
                    state.change_file(id, FileChange::SetLength(0))?;
                    Ok(id)
                }
                (Some(id), _) => state.file(id).map(|_| id),
                (None, OpenMode::Create) => {
                    Ok(state.add(folder, name, Node::File(FileNode::default())))
                }
                (None, _) => Err(not_found(path)),
            }
        })?;
        Ok(Arc::new(SimulatedFile { disk: self.shared.clone(), id, mode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(|state| {
            let id = state.find(from)?;
            let (to_folder, to_name) = state.place(to)?;
            let change = NameChange {
                removed: Some(state.place(from)?),
                added: Some((to_folder, to_name, id)),
                is_synced: false,
            };
            state.change_names(change);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.act(|state| {
            let id = state.find(path)?;
            state.file(id)?;
            let removed = Some(state.place(path)?);
            state.change_names(NameChange { removed, added: None, is_synced: false });
            Ok(())
        })
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.act(|state| {
            let folder = state.find(dir)?;
            if !state.names_in(folder, dir)?.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let removed = Some(state.place(dir)?);
            state.change_names(NameChange { removed, added: None, is_synced: false });
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.act(|state| {
            let synced = state.find(dir)?;
            state.names_in(synced, dir)?;
            let State { names, unsynced, .. } = state;
            unsynced.retain(|&place| {
                let change = &mut names[place];
                let removed = change.removed.as_ref().is_some_and(|(it, _)| *it == synced);
                let added = change.added.as_ref().is_some_and(|(it, ..)| *it == synced);
                change.is_synced = removed || added;
                !change.is_synced
            });
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.act(|state| {
            if !state.locks.insert(path.to_path_buf()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        })?;
        Ok(Box::new(SimulatedLock { disk: self.shared.clone(), path: path.to_path_buf() }))
    }
}

struct SimulatedFile {
    disk: Arc<Mutex<State>>,
    id: NodeId,
    mode: OpenMode,
}

impl SimulatedFile {
    fn act<T>(&self, action: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock();
        state.count()?;
        action(&mut state)
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.mode {
            OpenMode::Read => Err(io::ErrorKind::PermissionDenied.into()),
            OpenMode::Write | OpenMode::Create => Ok(()),
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        // Reads change nothing, so no crash at one is of interest: they are not counted.
        if state.is_off {
            return Err(io::Error::other("simulated power loss"));
        }
        let live = &state.file(self.id)?.live;
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(live.len());
        let count = buffer.len().min(live.len() - start);
        buffer[..count].copy_from_slice(&live[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.check_writable()?;
        self.act(|state| state.write(self.id, position, bytes))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.act(|state| state.change_file(self.id, FileChange::SetLength(length)))
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        Ok(state.file(self.id)?.live.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(|state| {
            let file = state.file(self.id)?;
            for change in std::mem::take(&mut file.pending) {
                change.apply(&mut file.synced);
            }
            Ok(())
        })
    }
}

struct SimulatedLock {
    disk: Arc<Mutex<State>>,
    path: PathBuf,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}
