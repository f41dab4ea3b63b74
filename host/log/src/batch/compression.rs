//! The codecs of record batches, in the framing that Kafka's clients use.
//!
//! **Nothing grows beyond a limit that the caller sets**, whatever the bytes claim: a small
//! batch can unpack to gigabytes, and one that does is refused.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::header::{BatchError, Codec};

/// What the Java client writes before its blocks of Snappy: a magic, then two versions.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_VERSION: [u8; 4] = 1_i32.to_be_bytes();
/// How much the Java client compresses at a time.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

/// No element of Snappy gives more bytes for one: what claims more is damaged.
const SNAPPY_GROWTH_MAX: usize = 64;

/// The largest window of zstd that is allotted (2^27 bytes, that of the highest level).
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A level that costs little more than the lowest.
const ZSTD_LEVEL: i32 = 3;

/// Unpacks `packed` to the end of `out`, which gets at most `bytes_max` bytes more.
pub(super) fn unpack(
    codec: Codec,
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let before = out.len();
    let read = match codec {
        Codec::None => read_to(packed, bytes_max, out),
        Codec::Gzip => read_to(flate2::read::MultiGzDecoder::new(packed), bytes_max, out),
        Codec::Snappy => unpack_snappy(packed, bytes_max, out),
        Codec::Lz4 => read_to(lz4_flex::frame::FrameDecoder::new(packed), bytes_max, out),
        Codec::Zstd => unpack_zstd(packed, bytes_max, out),
    };
    if out.len() - before > bytes_max {
        out.truncate(before);
        return Err(BatchError::Unpacked { codec, packed: packed.len(), bytes_max });
    }
    read.map_err(|error| BatchError::Packed { codec, what: error.to_string() })
}

/// Reads one byte more than is allowed, where there is one, so that it is noticed.
fn read_to(reader: impl Read, bytes_max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    reader.take((bytes_max as u64).saturating_add(1)).read_to_end(out).map(drop)
}

fn unpack_zstd(packed: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    read_to(decoder, bytes_max, out)
}

fn unpack_snappy(packed: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if !packed.starts_with(&XERIAL_MAGIC) {
        return unpack_block(packed, bytes_max, out);
    }
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a block is cut off");
    let start = out.len();
    let mut rest = packed.get(XERIAL_HEADER_BYTES..).ok_or_else(damaged)?;
    while !rest.is_empty() && out.len() - start <= bytes_max {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(io::Error::other)?;
        let (block, behind) = behind.split_at_checked(length).ok_or_else(damaged)?;
        unpack_block(block, bytes_max - (out.len() - start), out)?;
        rest = behind;
    }
    Ok(())
}

/// Where the block claims more than is allowed, `out` gets one byte too many.
fn unpack_block(block: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    let claimed = snap::raw::decompress_len(block)?;
    if claimed > block.len().saturating_mul(SNAPPY_GROWTH_MAX) {
        let what = format!("{} bytes cannot hold {claimed}", block.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    if claimed > bytes_max {
        out.resize(start.saturating_add(bytes_max).saturating_add(1), 0);
        return Ok(());
    }
    out.resize(start + claimed, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, room)?;
    Ok(())
}

/// Packs `plain` as Kafka's clients do.
pub(super) fn pack(codec: Codec, plain: &[u8]) -> io::Result<Bytes> {
    let packed = match codec {
        Codec::None => plain.to_vec(),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(plain)?;
            encoder.finish()?
        }
        Codec::Snappy => pack_snappy(plain)?,
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain)?;
            encoder.finish().map_err(io::Error::other)?
        }
        Codec::Zstd => zstd::stream::encode_all(plain, ZSTD_LEVEL)?,
    };
    Ok(packed.into())
}

fn pack_snappy(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_MAGIC.to_vec();
    out.extend_from_slice(&XERIAL_VERSION);
    out.extend_from_slice(&XERIAL_VERSION);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(XERIAL_BLOCK_BYTES) {
        let packed = encoder.compress_vec(block)?;
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn unpacked(codec: Codec, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
        let mut out = b"before".to_vec();
        unpack(codec, packed, bytes_max, &mut out)?;
        assert!(out.starts_with(b"before"));
        Ok(out.split_off(6))
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(plain: Vec<u8>, repeat in 1_usize..2_000) {
            let plain = plain.repeat(repeat);
            for codec in CODECS {
                let packed = pack(codec, &plain).unwrap();
                prop_assert_eq!(unpacked(codec, &packed, plain.len()).unwrap(), plain.clone());
                if let Some(less) = plain.len().checked_sub(1) {
                    let refused = unpacked(codec, &packed, less);
                    let refused = matches!(refused, Err(BatchError::Unpacked { .. }));
                    prop_assert!(refused, "{codec}");
                }
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, cut in 0_usize..300, flip in 0_usize..300) {
            for codec in CODECS {
                let _ = unpacked(codec, &bytes, 1 << 20);
                let mut packed = pack(codec, &bytes.repeat(7)).unwrap().to_vec();
                packed.truncate(packed.len().saturating_sub(cut));
                if let Some(byte) = packed.get_mut(flip) {
                    *byte ^= 0x40;
                }
                if let Ok(out) = unpacked(codec, &packed, 1 << 20) {
                    prop_assert!(out.len() <= 1 << 20);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let zeros = vec![0; 64 << 20];
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let packed = pack(codec, &zeros).unwrap();
            let mut out = Vec::new();
            let refused = unpack(codec, &packed, 1 << 20, &mut out).unwrap_err();
            assert!(matches!(refused, BatchError::Unpacked { .. }), "{codec}: {refused}");
            assert!(out.capacity() <= 4 << 20, "{codec}: {}", out.capacity());
        }
    }

    #[test]
    fn a_raw_block_of_snappy_is_read_and_its_claims_are_not_believed() {
        let raw = snap::raw::Encoder::new().compress_vec(b"raw raw raw raw").unwrap();
        assert_eq!(unpacked(Codec::Snappy, &raw, 100).unwrap(), b"raw raw raw raw");
        // A claim of 1 GiB in a block of seven bytes.
        let lie = [0x80, 0x80, 0x80, 0x80, 0x04, 0, 0];
        let refused = unpacked(Codec::Snappy, &lie, usize::MAX >> 1).unwrap_err();
        assert!(refused.to_string().contains("7 bytes cannot hold 1073741824"), "{refused}");
    }
}
