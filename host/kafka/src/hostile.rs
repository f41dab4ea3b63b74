//! Tests: whatever bytes come in, the broker neither panics, nor hangs, nor reserves memory
//! for what only a number claims.

use cap::Cap;
use kafka_protocol::messages::{ApiKey, RequestKind};
use proptest::prelude::*;

use crate::fuzzing::{Harness, apis, frame, sample_body};

/// Whoever reserves more than this at once, or in sum, ends the test.
const MEMORY_MAX: usize = 512 << 20;

#[global_allocator]
static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, MEMORY_MAX);

fn bytes_of(seed: u64) -> impl FnMut() -> u8 {
    let mut random = fastrand::Rng::with_seed(seed);
    move || random.u8(..)
}

/// Every table agrees with the decoder of `kafka-protocol`: what one lays out, the other reads
/// to its last byte.
#[test]
fn the_tables_are_those_of_the_decoder() {
    for (key, version) in apis() {
        if key == ApiKey::Produce as i16 && version < crate::api::PRODUCE_VERSION_MIN {
            continue;
        }
        let api = ApiKey::try_from(key).unwrap();
        for seed in 0..200 {
            let body = sample_body(key, version, &mut bytes_of(seed)).unwrap();
            let mut rest = bytes::Bytes::from(body);
            // Some samples have null or doubled values that the decoder does not take; those
            // that it takes it must take whole.
            if RequestKind::decode(api, &mut rest, version).is_ok() {
                assert!(rest.is_empty(), "{api:?} {version}: {} bytes are left", rest.len());
            } else {
                panic!("{api:?} {version} with seed {seed} is not understood");
            }
        }
    }
}

#[test]
fn every_api_and_version_that_is_advertised_is_served() {
    let harness = Harness::new();
    for (key, version) in apis() {
        let answered = (0..20).any(|seed| {
            let body = sample_body(key, version, &mut bytes_of(seed)).unwrap();
            let patience = std::time::Duration::from_millis(500);
            !harness.converse(&frame(key, version, &body), patience).is_empty()
        });
        assert!(answered, "API {key} version {version} is advertised but never answered");
    }
}

fn corpus(target: &str) -> std::path::PathBuf {
    // Tests run in their package's folder, which need not be the one that they were compiled in.
    std::path::Path::new("fuzz/corpus").join(target)
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(corpus(target)).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_corpus_does_no_harm() {
    let harness = Harness::new();
    let requests = inputs("requests");
    assert!(requests.len() >= apis().len(), "{} requests", requests.len());
    requests.iter().for_each(|request| drop(harness.talk(request)));
    let batches = inputs("record_batches");
    assert!(batches.len() >= 5, "{} batches", batches.len());
    batches.iter().for_each(|batch| crate::fuzzing::record_batch(batch));
    let groups = inputs("group_metadata");
    assert!(groups.len() >= crate::fuzzing::group_metadata_samples().len());
    groups.iter().for_each(|group| crate::fuzzing::group_metadata(group));
}

/// Run it after a change of the tables: `cargo test -p tidemill-kafka -- --ignored corpus`.
#[test]
#[ignore = "writes the corpus"]
fn write_the_seeds_of_the_corpus() {
    for target in ["requests", "record_batches", "group_metadata"] {
        std::fs::create_dir_all(corpus(target)).unwrap();
    }
    for (key, version) in apis() {
        let body = sample_body(key, version, &mut bytes_of(7)).unwrap();
        let path = corpus("requests").join(format!("seed-{key}-{version}"));
        std::fs::write(path, frame(key, version, &body)).unwrap();
    }
    let mut builder = tidemill_log::BatchBuilder::new();
    builder.push(Some(b"key"), Some(b"value"), &[], 1).unwrap();
    builder.push(None, None, &[], 2).unwrap();
    let batch = builder.finish().unwrap();
    for codec in 0..5 {
        let mut bytes = batch.bytes().to_vec();
        bytes[22] = codec;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        std::fs::write(corpus("record_batches").join(format!("seed-codec-{codec}")), bytes)
            .unwrap();
    }
    for (name, bytes) in crate::fuzzing::group_metadata_samples() {
        std::fs::write(corpus("group_metadata").join(format!("seed-{name}")), bytes).unwrap();
    }
}

/// What a hostile client does to a good request.
#[derive(Clone, Debug)]
enum Harm {
    Cut(prop::sample::Index),
    Set(prop::sample::Index, u8),
    Claim(u32),
    Insert(prop::sample::Index, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    let telling = prop_oneof![Just(0xff), Just(0x7f), Just(0x80), Just(0), any::<u8>()];
    prop_oneof![
        index().prop_map(Harm::Cut),
        (index(), telling).prop_map(|(at, byte)| Harm::Set(at, byte)),
        prop_oneof![Just(u32::MAX), Just(i32::MAX as u32), Just(0), 0..4096u32]
            .prop_map(Harm::Claim),
        (index(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, new)| Harm::Insert(at, new)),
    ]
}

fn do_harm(frame: &mut Vec<u8>, harm: Harm) {
    match harm {
        Harm::Cut(at) => frame.truncate(at.index(frame.len())),
        Harm::Set(at, byte) => {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        Harm::Claim(length) => {
            frame.splice(..4.min(frame.len()), length.to_be_bytes()).for_each(drop)
        }
        Harm::Insert(at, new) => {
            let at = at.index(frame.len());
            frame.splice(at..at, new).for_each(drop);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each case does its harm to every API and version.
    #[test]
    fn harmed_requests_do_no_harm(seed: u64, harms in prop::collection::vec(harm(), 1..4)) {
        let harness = Harness::new();
        for (key, version) in apis() {
            let body = sample_body(key, version, &mut bytes_of(seed)).unwrap();
            let mut sent = frame(key, version, &body);
            for harm in harms.clone() {
                if !sent.is_empty() {
                    do_harm(&mut sent, harm);
                }
            }
            harness.talk(&sent);
        }
    }

    #[test]
    fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        Harness::new().talk(&noise);
    }
}
