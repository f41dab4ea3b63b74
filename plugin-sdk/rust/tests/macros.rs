//! What the macros make of an author's code.

use tidemill_sdk::plugin::Plugin as _;
use tidemill_sdk::prelude::*;
use tidemill_sdk::{Kind, Parts, Value};

mod router {
    use super::*;

    #[derive(Debug, Parameters, PartialEq)]
    pub struct Router {
        /// Where records without
        /// a match go.
        #[parameter(default = Fallback::NotMatched)]
        pub fallback: Fallback,
        /// At most this many.
        #[parameter(default = 3)]
        pub count_max: u8,
        /// Must be set.
        pub prefix: String,
        /// A share.
        #[parameter(default = 2)]
        pub share: f64,
    }

    #[derive(Choice, Clone, Copy, Debug, PartialEq)]
    pub enum Fallback {
        Drop,
        NotMatched,
    }

    /// Sends records to one of two outputs.
    ///
    /// More that only readers of the code see.
    #[transform(name = "router", reads(keys, timestamps), ports("matched", "others"))]
    pub fn route(settings: &Router, record: Record, out: &mut Emitter) -> Result<(), Refusal> {
        match record.key() {
            b"fail" => Err(Failure::retryable("not now").into()),
            b"reject" => Err(Reject::new("never").into()),
            key if key.starts_with(settings.prefix.as_bytes()) => {
                out.record().emit();
                Ok(())
            }
            _ if settings.fallback == Fallback::NotMatched => {
                out.record().port(1).emit();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

mod longest {
    use super::*;

    #[derive(Parameters)]
    pub struct Longest {}

    /// Keeps the longest value.
    #[reducer(reads(values), state_version = 7)]
    impl Reducer for Longest {
        type Accumulator = Best;

        fn fold(&self, best: &mut Best, item: Item) -> Result<(), Failure> {
            if item.value().len() > best.bytes.len() {
                *best = Best { bytes: item.value().to_vec(), from: item.timestamp() };
            }
            Ok(())
        }

        fn merge(&self, best: &mut Best, later: &Best) -> Result<(), Failure> {
            if later.bytes.len() > best.bytes.len() {
                *best = later.clone();
            }
            Ok(())
        }

        fn finish(&self, group: Group, best: &Best, out: &mut Summary) -> Result<(), Failure> {
            if group.key != Some(b"silent") {
                out.value(&best.bytes);
            }
            Ok(())
        }
    }

    #[derive(Accumulator, Clone, Default)]
    pub struct Best {
        bytes: Vec<u8>,
        from: Option<i64>,
    }

    #[test]
    fn accumulators_of_any_length_and_groups_without_a_value_work() {
        let records = ["a", "ccc", "bb", "ccc"].map(|value| testing::value(value).with_key("k"));
        let silent = testing::value("x").with_key("silent");
        let all = records.into_iter().chain([silent]);
        let best = testing::reduce::<Plugin>(&Longest {}, all.clone()).unwrap();
        assert_eq!(best[b"k".as_slice()].as_deref(), Some(b"ccc".as_slice()));
        assert_eq!(best[b"silent".as_slice()], None);
        testing::check_reducer::<Plugin>(&Longest {}, all).unwrap();
        assert_eq!(Plugin::describe().state_version, 7);
        assert_eq!(Plugin::describe().name, "tidemill-sdk");
    }

    #[test]
    fn accumulators_of_other_bytes_are_refused() {
        let accumulators = [Some(b"\x09\0\0\0short".as_slice())].into_iter().collect();
        let values = [Some(b"v".as_slice())].into_iter().collect();
        let failure = tidemill_sdk::fold::<Plugin>(&Longest {}, &[0], &values, &[], accumulators)
            .unwrap_err();
        assert!(failure.to_string().contains("accumulator 0 of 9 bytes"), "{failure}");
        let failure =
            tidemill_sdk::fold::<Plugin>(&Longest {}, &[5], &values, &[], Default::default())
                .unwrap_err();
        assert!(failure.to_string().contains("group 5"), "{failure}");
    }
}

mod last_wins {
    use super::*;

    #[derive(Parameters)]
    pub struct Broken;

    /// Breaks the contract: merging forgets the earlier records.
    #[reducer(reads(values))]
    impl Reducer for Broken {
        type Accumulator = u64;

        fn fold(&self, sum: &mut u64, item: Item) -> Result<(), Failure> {
            *sum += item.value().len() as u64;
            Ok(())
        }

        fn merge(&self, sum: &mut u64, later: &u64) -> Result<(), Failure> {
            *sum = *later;
            Ok(())
        }

        fn finish(&self, _: Group, sum: &u64, out: &mut Summary) -> Result<(), Failure> {
            out.value(format_args!("{sum}"));
            Ok(())
        }
    }

    #[test]
    fn a_reducer_that_breaks_the_contract_is_found() {
        let records = ["a", "b"].map(|value| testing::value(value).with_key("k"));
        let found = testing::check_reducer::<Plugin>(&Broken, records).unwrap_err();
        assert!(found.contains("is not their fold"), "{found}");
    }
}

mod even {
    use super::*;

    /// Keeps values of even length.
    #[filter(reads(values))]
    pub fn even(_: &(), record: Record) -> Result<bool, Failure> {
        match record.value() {
            b"fail" => Err(Failure::fatal("as asked")),
            value => Ok(value.len() % 2 == 0),
        }
    }

    #[test]
    fn filters_may_fail() {
        let kept = testing::kept::<Plugin>(&(), ["aa", "a", ""].map(testing::value)).unwrap();
        assert_eq!(kept, ["aa", ""].map(testing::value));
        assert!(testing::kept::<Plugin>(&(), ["fail"].map(testing::value)).is_err());
    }
}

#[test]
fn the_description_says_what_the_author_said() {
    let description = router::Plugin::describe();
    assert_eq!(
        (description.name, description.summary),
        ("router", "Sends records to one of two outputs.")
    );
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(description.reads, Parts::KEYS | Parts::TIMESTAMPS);
    assert_eq!(description.ports, ["matched", "others"]);
    let parameters: Vec<_> = description
        .parameters
        .into_iter()
        .map(|parameter| (parameter.name, parameter.kind, parameter.default, parameter.doc))
        .collect();
    let doc = "Where records without a match go. One of `drop`, `not-matched`.";
    assert_eq!(
        parameters,
        [
            ("fallback", Kind::Text, Some(Value::from("not-matched")), doc.into()),
            ("count_max", Kind::Integer, Some(Value::from(3)), "At most this many.".into()),
            ("prefix", Kind::Text, None, "Must be set.".into()),
            ("share", Kind::Number, Some(Value::from(2.0)), "A share.".into()),
        ]
    );
}

#[test]
fn settings_are_typed_and_refused_by_name() {
    let read =
        |settings: &[(&str, Value)]| router::Plugin::settings(&settings.iter().cloned().collect());
    let router =
        read(&[("prefix", "a".into()), ("fallback", "drop".into()), ("share", 1.into())]).unwrap();
    let wanted = router::Router {
        fallback: router::Fallback::Drop,
        count_max: 3,
        prefix: "a".into(),
        share: 1.0,
    };
    assert_eq!(router, wanted);
    let table = [
        (("prefix", Value::from(true)), "parameter `prefix`: text expected"),
        (("count_max", Value::from(256)), "parameter `count_max`: 256 is not between 0 and 255"),
        (("count_max", Value::from("3")), "parameter `count_max`: a whole number expected"),
        (
            ("fallback", Value::from("x")),
            "parameter `fallback`: `x` is not one of `drop`, `not-matched`",
        ),
    ];
    for (setting, wanted) in table {
        let name = setting.0;
        let settings =
            [("prefix", Value::from("a"))].into_iter().filter(|set| set.0 != name).chain([setting]);
        assert_eq!(read(&settings.collect::<Vec<_>>()).unwrap_err(), wanted);
    }
    assert_eq!(read(&[]).unwrap_err(), "parameter `prefix` is not set");
}

#[test]
fn records_are_routed_rejected_and_failed() {
    let settings = router::Plugin::settings(&[("prefix", "a")].into_iter().collect()).unwrap();
    let record = |key: &str| testing::value("v").with_key(key).at(5);
    let ran =
        testing::run_all::<router::Plugin>(&settings, ["a1", "b", "reject", "a2"].map(record))
            .unwrap();
    let ports: Vec<_> = ran.emitted.iter().map(|record| (record.key_text(), record.port)).collect();
    assert_eq!(ports, [("a1".into(), 0), ("b".into(), 1), ("a2".into(), 0)]);
    assert_eq!(ran.rejected, [(2, "never".into())]);
    let failure =
        testing::run_all::<router::Plugin>(&settings, ["a1", "fail"].map(record)).unwrap_err();
    assert!(failure.is_retryable());
}
