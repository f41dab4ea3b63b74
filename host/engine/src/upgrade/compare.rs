//! What two versions of a plugin gave back for the same records, record by record. Pure.

use tidemill_plugin::{BatchRef, ColumnRef, OutcomeRef, Rejection};

/// One version's outcome of a transform, with what it inherits from the records it was made of.
pub(super) struct Emitted<'a> {
    input: BatchRef<'a>,
    outcome: OutcomeRef<'a>,
    /// Where the records that input record i emitted begin, and where the last ones end; nothing: one each.
    starts: Vec<u32>,
}

/// One emitted record, and its port.
pub(super) type Record<'a> =
    (Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>, Option<i64>, u16);

impl<'a> Emitted<'a> {
    pub fn new(input: BatchRef<'a>, outcome: OutcomeRef<'a>) -> Self {
        let mut starts = Vec::new();
        if !outcome.counts().is_empty() {
            starts.push(0);
            starts.extend(outcome.counts().iter().scan(0, |end, count| {
                *end += count;
                Some(*end)
            }));
        }
        Self { input, outcome, starts }
    }

    /// What input record `index` became.
    pub fn of(&self, index: usize) -> impl Iterator<Item = Record<'a>> + use<'a, '_> {
        let range = match self.starts.get(index..index + 2) {
            Some(&[from, to]) => from as usize..to as usize,
            _ if self.starts.is_empty() => index..index + 1,
            _ => 0..0,
        };
        let (input, emitted) = (self.input, self.outcome.emitted());
        let part = move |own: ColumnRef<'a>, inherited: ColumnRef<'a>, at: usize| {
            if own.is_empty() { inherited.get(index) } else { own.get(at) }
        };
        range.map(move |at| {
            (
                part(emitted.keys(), input.keys(), at),
                part(emitted.values(), input.values(), at),
                part(emitted.headers(), input.headers(), at),
                match emitted.timestamps() {
                    [] => input.timestamps().get(index).copied(),
                    own => own.get(at).copied(),
                },
                self.outcome.ports().get(at).copied().unwrap_or(0),
            )
        })
    }

    /// Why input record `index` was refused.
    pub fn rejected(&self, index: usize) -> Option<&'a Rejection> {
        let rejected = self.outcome.rejected();
        let found = rejected.binary_search_by_key(&index, |rejected| rejected.index as usize);
        found.ok().map(|at| &rejected[at])
    }
}

/// The input records that the two versions made something else of. The words of a refusal do not count.
pub(super) fn outcomes(old: &Emitted<'_>, new: &Emitted<'_>) -> Vec<usize> {
    if is_same_outcome(&old.outcome, &new.outcome) {
        return Vec::new();
    }
    let differs = |index: &usize| {
        old.rejected(*index).is_some() != new.rejected(*index).is_some()
            || !old.of(*index).eq(new.of(*index))
    };
    (0..old.input.len()).filter(differs).collect()
}

/// The usual case, at the speed of a comparison of bytes.
fn is_same_outcome(old: &OutcomeRef<'_>, new: &OutcomeRef<'_>) -> bool {
    old.counts() == new.counts()
        && old.ports() == new.ports()
        && old.rejected().is_empty()
        && new.rejected().is_empty()
        && is_same_batch(old.emitted(), new.emitted())
}

fn is_same_batch(old: BatchRef<'_>, new: BatchRef<'_>) -> bool {
    is_same(old.keys(), new.keys())
        && is_same(old.values(), new.values())
        && is_same(old.headers(), new.headers())
        && old.timestamps() == new.timestamps()
}

fn is_same(old: ColumnRef<'_>, new: ColumnRef<'_>) -> bool {
    old.offsets() == new.offsets() && old.data() == new.data() && old.validity() == new.validity()
}

/// The items that differ.
pub(super) fn columns(old: ColumnRef<'_>, new: ColumnRef<'_>) -> Vec<usize> {
    if is_same(old, new) {
        return Vec::new();
    }
    (0..old.len()).filter(|index| old.get(*index) != new.get(*index)).collect()
}

/// The records that one version keeps and the other does not.
pub(super) fn bitmaps(records: usize, old: &[u8], new: &[u8]) -> Vec<usize> {
    let kept = |bitmap: &[u8], index: usize| tidemill_plugin::bit(bitmap, index);
    (0..records).filter(|index| kept(old, *index) != kept(new, *index)).collect()
}

/// The groups whose finished records differ.
pub(super) fn finished(keys: ColumnRef<'_>, old: BatchRef<'_>, new: BatchRef<'_>) -> Vec<usize> {
    if is_same_batch(old, new) {
        return Vec::new();
    }
    let record = |batch: BatchRef<'_>, index: usize| {
        let key = if batch.keys().is_empty() { keys.get(index) } else { batch.keys().get(index) };
        let value = batch.values().get(index);
        let headers = batch.headers().get(index);
        (
            key.map(<[u8]>::to_vec),
            value.map(<[u8]>::to_vec),
            headers.map(<[u8]>::to_vec),
            batch.timestamps().get(index).copied(),
        )
    };
    (0..keys.len()).filter(|index| record(old, *index) != record(new, *index)).collect()
}
