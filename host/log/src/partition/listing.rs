//! Which files of a partition's folder count: pure.

use crate::disk::Entry;
use crate::framed::TEMPORARY_SUFFIX;
use crate::identity::Offset;
use crate::segment::{CLEANED_SUFFIX, base_of};

/// The files of a partition's folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// The base offsets of the segments that count, ascending.
    pub bases: Vec<Offset>,
    /// What earlier crashes left over: temporary files, compacted segments without a swap, seals without a segment, and segments
    /// that end before the log's start.
    pub leftovers: Vec<String>,
}

pub(super) fn sort_files(entries: &[Entry], log_start: Offset) -> Listing {
    let mut bases: Vec<_> = entries.iter().filter_map(|entry| base_of(&entry.name)).collect();
    bases.sort_unstable();
    // The last segment that starts at or before the log's start contains it.
    let before = bases.partition_point(|base| *base <= log_start).saturating_sub(1);
    bases.drain(..before);
    let is_leftover = |name: &str| {
        let counts = |base: &Offset| bases.binary_search(base).is_ok();
        let sealed = name.strip_suffix(".seal").and_then(|digits| digits.parse().ok());
        name.ends_with(TEMPORARY_SUFFIX)
            || name.ends_with(CLEANED_SUFFIX)
            || base_of(name).is_some_and(|base| !counts(&base))
            || sealed.is_some_and(|base| !counts(&Offset::new(base)))
    };
    let names = entries.iter().map(|entry| &entry.name);
    let leftovers = names.filter(|name| is_leftover(name)).cloned().collect();
    Listing { bases, leftovers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counts_is_kept() {
        let name = |number: i64, extension: &str| format!("{number:020}.{extension}");
        let names = [
            name(0, "log"),
            name(0, "seal"),
            name(10, "log"),
            name(10, "seal"),
            name(20, "log"),
            name(30, "seal"),
            name(20, "seal.tmp"),
            name(10, "log.cleaned"),
            "durable.mark".into(),
            "notes.txt".into(),
        ];
        let entries = names.map(|name| Entry { name, is_dir: false });
        let listing = sort_files(&entries, Offset::new(15));
        assert_eq!(listing.bases, [Offset::new(10), Offset::new(20)]);
        let leftovers = [
            name(0, "log"),
            name(0, "seal"),
            name(30, "seal"),
            name(20, "seal.tmp"),
            name(10, "log.cleaned"),
        ];
        assert_eq!(listing.leftovers, leftovers);
    }
}
