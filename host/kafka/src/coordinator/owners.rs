//! Groups that are not for clients: the positions of pipelines.

/// Knows which groups belong to the host itself.
pub trait Owners: Send + Sync + 'static {
    /// Whether clients keep away from groups of this name.
    fn is_reserved(&self, group: &str) -> bool;

    /// The pipeline whose positions a reserved group holds; `None` where it is gone.
    fn owner(&self, group: &str) -> Option<String>;
}

/// All groups are for clients.
#[derive(Clone, Copy, Debug)]
pub struct NoOwners;

impl Owners for NoOwners {
    fn is_reserved(&self, _group: &str) -> bool {
        false
    }

    fn owner(&self, _group: &str) -> Option<String> {
        None
    }
}
