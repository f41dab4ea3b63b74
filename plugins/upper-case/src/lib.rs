//! Folds each value to upper case; key, headers and timestamp stay.
//!
//! Values of ASCII alone are mapped 64 bytes at a time. Others are folded as Unicode says (`ß` becomes
//! `SS`); bytes that are not UTF-8 stay as they are.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use tidemill_sdk::prelude::*;

/// Folds each value to upper case.
#[transform(name = "upper-case", reads(values))]
pub fn upper_case(_: &(), record: Record, out: &mut Emitter) {
    match record.value_if_present() {
        Some(value) if is_ascii(value) => {
            out.value(mapped(value, |byte| byte.to_ascii_uppercase())).emit()
        }
        Some(value) => out.value(with(|out| fold(value, out))).emit(),
        None => out.record().emit(),
    }
}

/// Like `<[u8]>::is_ascii`, in steps that compilers turn into vectors.
#[inline(always)]
fn is_ascii(value: &[u8]) -> bool {
    let any = |bytes: &[u8]| bytes.iter().fold(0, |seen, byte| seen | byte);
    let any_of_block = |block: &[u8; 64]| {
        let (words, _) = block.as_chunks::<8>();
        words.iter().fold(0, |seen, word| seen | u64::from_ne_bytes(*word))
    };
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = value.last_chunk::<64>() else {
        return any(value) < 0x80;
    };
    let (blocks, _) = value.as_chunks::<64>();
    (blocks.iter().fold(0, |seen, block| seen | any_of_block(block)) | any_of_block(last)) & HIGH
        == 0
}

#[cold]
fn fold(value: &[u8], out: &mut Bytes) {
    let mut utf8 = [0; 4];
    for chunk in value.utf8_chunks() {
        for letter in chunk.valid().chars().flat_map(char::to_uppercase) {
            out.push(letter.encode_utf8(&mut utf8).as_bytes());
        }
        out.push(chunk.invalid());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn upper(value: impl AsRef<[u8]>) -> Vec<u8> {
        let records = testing::run::<Plugin>(&(), [testing::value(value)]).unwrap();
        records.into_iter().next().and_then(|record| record.value).unwrap()
    }

    #[test]
    fn the_rest_of_the_record_stays() {
        let record = testing::value("line").with_key("Key").at(7);
        let out = testing::run::<Plugin>(&(), [record]).unwrap();
        assert_eq!(out, [testing::value("LINE").with_key("Key").at(7)]);
    }

    #[test]
    fn a_tombstone_stays_one() {
        let tombstone = testing::OwnedRecord::default().with_key("gone");
        let out = testing::run::<Plugin>(
            &(),
            [testing::value("a"), tombstone.clone(), testing::value("b")],
        )
        .unwrap();
        assert_eq!(out, [testing::value("A"), tombstone, testing::value("B")]);
    }

    #[test]
    fn letters_beyond_ascii_fold_and_broken_bytes_stay() {
        assert_eq!(upper("straße, ŉé"), "STRASSE, ʼNÉ".as_bytes());
        assert_eq!(upper(b"ab\xffcd\xc3"), b"AB\xffCD\xc3");
    }

    proptest! {
        #[test]
        fn text_folds_as_the_standard_library_folds_it(text in "\\PC{0,200}") {
            prop_assert_eq!(upper(&text), text.to_uppercase().into_bytes());
        }

        #[test]
        fn ascii_of_any_length_folds(bytes in proptest::collection::vec(0u8..128, 0..300)) {
            prop_assert!(is_ascii(&bytes));
            prop_assert_eq!(upper(&bytes), bytes.to_ascii_uppercase());
        }

        #[test]
        fn one_high_byte_anywhere_is_seen(length in 1usize..300, at in any::<prop::sample::Index>()) {
            let mut bytes = alloc::vec![b'a'; length];
            bytes[at.index(length)] = 0x80;
            prop_assert!(!is_ascii(&bytes));
        }
    }
}
