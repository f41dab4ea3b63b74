//! What is emitted comes out, whatever records of whatever shapes follow each other: compared with a
//! naive list of records.

use proptest::prelude::*;
use std::sync::Arc;
use tidemill_sdk::plugin::{Plugin, Slot, Transform};
use tidemill_sdk::testing::{self, OwnedRecord, Ran};
use tidemill_sdk::{
    Emitter, Null, Parameter, Parameters, Parts, Record, Refusal, Reject, Settings, mapped, pieces,
};

/// A part of an emitted record.
#[derive(Clone, Debug)]
enum Part {
    Inherit,
    Null,
    Bytes(Vec<u8>),
}

/// An emitted record.
#[derive(Clone, Debug)]
struct Emission {
    key: Part,
    value: Part,
    headers: Part,
    timestamp: Option<i64>,
    port: u16,
}

/// What is done with one input record.
#[derive(Clone, Debug)]
struct Step {
    input: OwnedRecord,
    emissions: Vec<Emission>,
    is_rejected: bool,
}

/// The steps of a call; the timestamp of an input record is its index.
#[derive(Clone, Debug)]
struct Script(Arc<Vec<Step>>);

impl Parameters for Script {
    fn describe() -> Vec<Parameter> {
        Vec::new()
    }

    fn read(_: &Settings) -> Result<Self, String> {
        Ok(Self(Arc::default()))
    }
}

/// Does what the script says; reads all parts or only timestamps.
struct Scripted<const READS: bool>;

impl<const READS: bool> Plugin for Scripted<READS> {
    type Settings = Script;
    const NAME: &'static str = "scripted";
    const VERSION: &'static str = "0.0.0";
    const SUMMARY: &'static str = "Does what the script says.";
    const READS: Parts = if READS {
        Parts::KEYS.and(Parts::VALUES).and(Parts::HEADERS).and(Parts::TIMESTAMPS)
    } else {
        Parts::TIMESTAMPS
    };

    fn slot() -> &'static Slot<Script> {
        static SLOT: Slot<Script> = Slot::new();
        &SLOT
    }
}

impl<const READS: bool> Transform for Scripted<READS> {
    fn transform(
        script: &Script,
        record: Record<'_>,
        out: &mut Emitter<'_>,
    ) -> Result<(), Refusal> {
        let step = &script.0[record.timestamp().unwrap() as usize];
        for emission in &step.emissions {
            emit(emission, record, out);
        }
        match step.is_rejected {
            true => Err(Reject::new("as the script says").into()),
            false => Ok(()),
        }
    }
}

/// Where a key is cut that is emitted as pieces of a text.
const SEPARATOR: u8 = 0xff;

/// Emits with as many of the ways that there are as a script can tell apart.
fn emit(emission: &Emission, record: Record<'_>, out: &mut Emitter<'_>) {
    let mut draft = out.record().port(emission.port);
    if let Some(timestamp) = emission.timestamp {
        draft = draft.timestamp(timestamp);
    }
    match (&emission.key, &emission.value, &emission.headers) {
        (Part::Inherit, Part::Inherit, Part::Inherit) => draft.emit(),
        (Part::Bytes(key), Part::Inherit, Part::Inherit) => draft.key(key).emit(),
        (Part::Bytes(key), Part::Bytes(value), Part::Inherit) if value.is_empty() => {
            match key.is_empty() || key.contains(&SEPARATOR) {
                true => draft.key(key).value("").emit(),
                false => draft.value("").emit_pieces(pieces(key, |byte| byte == SEPARATOR)),
            }
        }
        (Part::Inherit, Part::Bytes(value), Part::Inherit) => {
            draft.value(mapped(value, |byte| byte)).emit()
        }
        (Part::Inherit, Part::Null, Part::Inherit) => draft.value(Null).emit(),
        (key, value, headers) => {
            let inherited = (record.key_if_present(), record.value_if_present(), None);
            draft
                .key(either(key, inherited.0))
                .value(either(value, inherited.1))
                .headers(either(headers, inherited.2))
                .emit();
        }
    }
}

fn either<'p>(part: &'p Part, inherited: Option<&'p [u8]>) -> Option<&'p [u8]> {
    match part {
        Part::Inherit => inherited,
        Part::Null => None,
        Part::Bytes(bytes) => Some(bytes),
    }
}

/// The same by the book.
fn expected(steps: &[Step]) -> Ran {
    let mut ran = Ran::default();
    for (index, step) in steps.iter().enumerate() {
        if step.is_rejected {
            ran.rejected.push((index, "as the script says".to_owned()));
            continue;
        }
        for emission in &step.emissions {
            let part = |part: &Part, inherited: &Option<Vec<u8>>| {
                either(part, inherited.as_deref()).map(<[u8]>::to_vec)
            };
            ran.emitted.push(OwnedRecord {
                key: part(&emission.key, &step.input.key),
                value: part(&emission.value, &step.input.value),
                headers: part(&emission.headers, &step.input.headers),
                timestamp: emission.timestamp.unwrap_or(step.input.timestamp),
                port: emission.port,
            });
        }
    }
    ran
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 0..40)]
}

/// Mostly `usual`, so that runs of one shape are broken now and then.
fn part(usual: Part) -> impl Strategy<Value = Part> {
    prop_oneof![8 => Just(usual), 1 => Just(Part::Inherit), 1 => Just(Part::Null), 2 => bytes().prop_map(Part::Bytes)]
}

fn emission() -> impl Strategy<Value = Emission> {
    let timestamp = prop_oneof![6 => Just(None), 1 => any::<i64>().prop_map(Some)];
    let port = prop_oneof![6 => Just(0u16), 1 => 1u16..4];
    (
        part(Part::Bytes(b"word".to_vec())),
        part(Part::Bytes(Vec::new())),
        part(Part::Inherit),
        timestamp,
        port,
    )
        .prop_map(|(key, value, headers, timestamp, port)| Emission {
            key,
            value,
            headers,
            timestamp,
            port,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let part = || proptest::option::of(bytes());
    (part(), part(), proptest::collection::vec(emission(), 0..5), 0u8..10).prop_map(
        |(key, value, emissions, dice)| Step {
            // Headers are all absent, so that inheriting them by hand and by the column are the same.
            input: OwnedRecord { key, value, ..OwnedRecord::default() },
            emissions,
            is_rejected: dice == 0,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 0..40).prop_map(|mut steps| {
        for (index, step) in steps.iter_mut().enumerate() {
            step.input.timestamp = index as i64;
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn records_come_out_as_they_were_emitted(steps in steps()) {
        let wanted = expected(&steps);
        let inputs: Vec<OwnedRecord> = steps.iter().map(|step| step.input.clone()).collect();
        let ran = testing::run_all::<Scripted<true>>(&Script(Arc::new(steps)), inputs).unwrap();
        prop_assert_eq!(ran, wanted);
    }
}

#[test]
fn inheriting_what_is_not_read_beside_what_is_set_fails_by_name() {
    let emission = |key| Emission {
        key,
        value: Part::Inherit,
        headers: Part::Inherit,
        timestamp: None,
        port: 0,
    };
    let steps: Vec<Step> = [Part::Inherit, Part::Bytes(b"key".to_vec())]
        .into_iter()
        .enumerate()
        .map(|(index, key)| Step {
            input: testing::value("v").at(index as i64),
            emissions: vec![emission(key)],
            is_rejected: false,
        })
        .collect();
    let inputs: Vec<OwnedRecord> = steps.iter().map(|step| step.input.clone()).collect();
    let failure =
        testing::run_all::<Scripted<false>>(&Script(Arc::new(steps)), inputs).unwrap_err();
    assert!(!failure.is_retryable() && failure.to_string().contains("`reads(keys)`"), "{failure}");
}
