//! Every way in which a result can break the contract is a typed error that names the place, and the
//! next call of an honest plugin works.

mod guests;

use guests::{CX, Col, Guest, Outcome, operator, ptr_len};
use tidemill_plugin::{
    BatchRef, CallFault, Column, ColumnFault, ColumnRef, Limits, ResultFault, Window,
};

/// Three records with the values `a`, `bb` and `ccc`.
fn input() -> Column {
    ["a", "bb", "ccc"].iter().map(|value| Some(value.as_bytes())).collect()
}

fn with_input<R>(run: impl FnOnce(BatchRef<'_>) -> R) -> R {
    let values = input();
    let times = [1, 2, 3];
    run(BatchRef::new(ColumnRef::EMPTY, values.as_ref(), ColumnRef::EMPTY, &times).unwrap())
}

fn fault_of(component: &[u8]) -> CallFault {
    let operator = operator(component, Limits::default());
    let error = with_input(|input| operator.transform(&CX, input, |_| ())).unwrap_err();
    let site = error.site.to_string();
    for part in
        ["`process`", "`guest` 1.0.0", "sha256:", "`split`", "`orders`", "batch 7", "task 3"]
    {
        assert!(site.contains(part), "{site}");
    }
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()));
    assert_eq!(operator.costs().failed_calls, 1);
    assert_eq!(operator.costs().instances_dropped, 1);
    error.fault
}

fn result_fault(outcome: &Outcome) -> ResultFault {
    match fault_of(&Guest::giving(outcome).build()) {
        CallFault::BadResult(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn words_fault(patch: &[(usize, u32)]) -> CallFault {
    let outcome = Outcome { values: Col::of(&["x", "y", "z"]), ..Outcome::default() };
    let guest = Guest::giving_words(|image| {
        let mut words = image.outcome_words(&outcome);
        patch.iter().for_each(|&(index, word)| words[index] = word);
        words
    });
    fault_of(&guest.build())
}

#[test]
fn an_honest_outcome_arrives_whole() {
    let outcome = Outcome {
        keys: Col::of(&["k1", "k2", "k3"]),
        values: Col {
            validity: vec![0b0000_0101],
            offsets: vec![0, 1, 1, 3],
            data: b"xyz!".to_vec(),
        },
        timestamps: vec![-1, 0, i64::MAX],
        counts: vec![2, 0, 1],
        rejected: vec![(1, b"no \xFF sense".to_vec())],
        ..Outcome::default()
    };
    let operator = operator(&Guest::giving(&outcome).build(), Limits::default());
    for _ in 0..3 {
        with_input(|input| {
            operator.transform(&CX, input, |outcome| {
                let emitted = outcome.emitted();
                assert_eq!(emitted.len(), 3);
                let values: Vec<_> = emitted.values().iter().collect();
                assert_eq!(values, [Some(b"x".as_slice()), None, Some(b"yz")]);
                assert_eq!(emitted.keys().get(2), Some(b"k3".as_slice()));
                assert!(emitted.headers().is_empty());
                assert_eq!(emitted.timestamps(), [-1, 0, i64::MAX]);
                assert_eq!(outcome.sources().collect::<Vec<_>>(), [0, 0, 2]);
                assert_eq!(outcome.rejected()[0].reason, "no \u{FFFD} sense");
            })
        })
        .unwrap();
    }
    let costs = operator.costs();
    assert_eq!((costs.calls, costs.instances_started, costs.instances_dropped), (3, 1, 0));
    assert_eq!((costs.records_in, costs.records_out), (9, 9));
    assert!(costs.bytes_in > 0 && costs.bytes_out > 0 && costs.memory_bytes_high >= 64 << 16);
}

#[test]
fn a_result_is_read_before_the_guest_frees_it() {
    let outcome = Outcome { values: Col::of(&["one", "two", "three"]), ..Outcome::default() };
    // Frees as a debug allocator does: everything is overwritten.
    let guest = Guest::giving(&outcome).post_return(
        "(memory.fill (i32.const 1024) (i32.const 0xEE) (i32.const 1024)) (call $reset)",
    );
    let operator = operator(&guest.build(), Limits::default());
    let value = with_input(|input| {
        operator
            .transform(&CX, input, |outcome| outcome.emitted().values().get(2).map(<[u8]>::to_vec))
    });
    assert_eq!(value.unwrap().as_deref(), Some(b"three".as_slice()));
}

#[test]
fn malformed_columns_are_named() {
    let bad = |values: Col| match result_fault(&Outcome { values, ..Outcome::default() }) {
        ResultFault::Column { column: "emitted.values", fault } => fault,
        other => panic!("{other:?}"),
    };
    let column = |offsets: &[u32], validity: &[u8]| Col {
        data: b"abc".to_vec(),
        offsets: offsets.to_vec(),
        validity: validity.to_vec(),
    };
    assert_eq!(bad(column(&[1, 1, 2, 3], &[])), ColumnFault::FirstOffset { first: 1 });
    assert_eq!(
        bad(column(&[0, 2, 1, 3], &[])),
        ColumnFault::FallingOffsets { item: 1, from: 2, to: 1 }
    );
    assert_eq!(bad(column(&[0, 1, 2, 4], &[])), ColumnFault::OffsetPastData { last: 4, bytes: 3 });
    assert_eq!(
        bad(column(&[0, 1, 2, 1 << 31], &[])),
        ColumnFault::OffsetTooLarge { offset: 1 << 31 }
    );
    assert_eq!(
        bad(column(&[0, 1, 2, 3], &[7, 0])),
        ColumnFault::ValidityLength { bytes: 2, items: 3 }
    );
    assert_eq!(
        bad(column(&[0, 1, 2, 3], &[0b101])),
        ColumnFault::AbsentItemWithBytes { item: 1, bytes: 1 }
    );
}

#[test]
fn wrong_numbers_of_records_are_named() {
    let two = Outcome { values: Col::of(&["x", "y"]), ..Outcome::default() };
    assert!(matches!(
        result_fault(&two),
        ResultFault::Batch(fault) if (fault.part, fault.items, fault.records) == ("values", 2, 3)
    ));
    let counts = |counts: &[u32]| Outcome { counts: counts.to_vec(), ..two.clone() };
    assert_eq!(result_fault(&counts(&[1, 1])), ResultFault::CountsLength { counts: 2, inputs: 3 });
    assert_eq!(
        result_fault(&counts(&[1, 1, 1])),
        ResultFault::CountsSum { sum: 3, part: "emitted.values", items: 2 }
    );
    assert_eq!(
        result_fault(&counts(&[u32::MAX, u32::MAX, u32::MAX])),
        ResultFault::CountsSum { sum: 3 * u64::from(u32::MAX), part: "emitted.values", items: 2 }
    );
    let mixed = Outcome { timestamps: vec![1], ..counts(&[1, 1, 0]) };
    assert_eq!(
        result_fault(&mixed),
        ResultFault::CountsSum { sum: 2, part: "emitted.timestamps", items: 1 }
    );
}

#[test]
fn wrong_ports_are_named() {
    let ports = |ports: &[u16]| Outcome {
        values: Col::of(&["x", "y", "z"]),
        ports: ports.to_vec(),
        ..Outcome::default()
    };
    assert_eq!(result_fault(&ports(&[0, 0])), ResultFault::PortsLength { ports: 2, emitted: 3 });
    assert_eq!(result_fault(&ports(&[0, 1, 0])), ResultFault::UnknownPort { port: 1, ports: 1 });
}

#[test]
fn wrong_rejections_are_named() {
    let rejected = |indexes: &[u32], counts: &[u32]| Outcome {
        counts: counts.to_vec(),
        rejected: indexes.iter().map(|index| (*index, b"bad".to_vec())).collect(),
        ..Outcome::default()
    };
    assert_eq!(
        result_fault(&rejected(&[3], &[0, 0, 0])),
        ResultFault::RejectedOutOfRange { index: 3, inputs: 3 }
    );
    assert_eq!(
        result_fault(&rejected(&[1, 0], &[0, 0, 0])),
        ResultFault::RejectedOrder { previous: 1, index: 0 }
    );
    assert_eq!(
        result_fault(&rejected(&[1, 1], &[0, 0, 0])),
        ResultFault::RejectedOrder { previous: 1, index: 1 }
    );
    assert_eq!(
        result_fault(&rejected(&[1], &[0, 2, 0])),
        ResultFault::RejectedEmitted { index: 1, emitted: 2 }
    );
    // Without counts every record emitted one.
    assert_eq!(
        result_fault(&rejected(&[1], &[])),
        ResultFault::RejectedEmitted { index: 1, emitted: 1 }
    );
}

#[test]
fn lists_outside_of_the_memory_are_refused() {
    let memory = 64 << 16;
    for patch in [
        (ptr_len::VALUES_DATA, memory),
        (ptr_len::VALUES_DATA + 1, u32::MAX),
        (ptr_len::VALUES_OFFSETS, 1026),
        (ptr_len::VALUES_OFFSETS + 1, 1 << 30),
        (ptr_len::REJECTED + 1, 1 << 28),
    ] {
        assert!(matches!(words_fault(&[patch]), CallFault::BadAbi { .. }), "{patch:?}");
    }
}

#[test]
fn a_list_that_points_anywhere_inside_is_checked_like_any_other() {
    // Offsets that lie over other data.
    let fault = words_fault(&[(ptr_len::KEYS_OFFSETS, 1024), (ptr_len::KEYS_OFFSETS + 1, 4)]);
    assert!(matches!(fault, CallFault::BadResult(_)), "{fault:?}");
    // A million rejections of the same two words stop at the first that does not rise.
    let fault = words_fault(&[(ptr_len::REJECTED, 1 << 16), (ptr_len::REJECTED + 1, 100_000)]);
    assert!(
        matches!(fault, CallFault::BadResult(ResultFault::RejectedEmitted { .. })),
        "{fault:?}"
    );
}

#[test]
fn too_much_output_is_refused_even_if_it_is_only_inherited() {
    let limits = Limits { output_bytes_max: 1_000, ..Limits::default() };
    let large = "x".repeat(1_000);
    let large = Outcome { values: Col::of(&[&large, "", ""]), ..Outcome::default() };
    // Nothing emitted but counts: each asks for a copy of an input record.
    let copies = |count| Outcome { counts: vec![0, 0, count], ..Outcome::default() };
    for (outcome, refused) in
        [(large, true), (copies(1 << 31), true), (copies(100), true), (copies(10), false)]
    {
        let operator = operator(&Guest::giving(&outcome).build(), limits);
        let result = with_input(|input| operator.transform(&CX, input, |o| o.emitted().len()));
        match result {
            Ok(records) => assert!(!refused && records == 10),
            Err(error) => {
                let fault = &error.fault;
                assert!(
                    matches!(fault, CallFault::OutputTooLarge { limit: 1_000, .. }),
                    "{fault:?}"
                );
                assert!(refused);
            }
        }
    }
}

#[test]
fn failures_are_the_plugins_own_word_and_keep_the_instance() {
    for (case, retryable) in [(0, true), (1, false)] {
        // `err(retryable | fatal(text))`, the text of broken UTF-8.
        let guest = Guest::giving_words(|image| {
            let [start, length] = image.bytes(b"disk \xF0\x28 full\x1b[2J");
            vec![1, case, start, length]
        });
        let operator = operator(&guest.build(), Limits::default());
        let error = with_input(|input| operator.transform(&CX, input, |_| ())).unwrap_err();
        let CallFault::Failed { message, .. } = &error.fault else { panic!("{error:?}") };
        assert_eq!(message, "disk \u{FFFD}( full [2J");
        assert_eq!(error.is_retryable(), retryable);
        let costs = operator.costs();
        assert_eq!((costs.failed_calls, costs.instances_dropped), (1, 0));
    }
}

#[test]
fn giant_reasons_are_cut() {
    let giant = 60 * (1 << 16);
    let guest = Guest::giving_words(|_| vec![1, 1, 1024, giant]);
    let fault = fault_of_failure(&guest.build());
    assert!(fault.len() < 10_000, "{}", fault.len());
    // Of a rejected record.
    let outcome = Outcome { counts: vec![0, 0, 0], ..Outcome::default() };
    let guest = Guest::giving_words(|image| {
        let mut words = image.outcome_words(&outcome);
        let rejected = image.words(&[0, 4096, giant, 1, 4096, giant, 2, 4096, giant]);
        words[ptr_len::REJECTED] = rejected;
        words[ptr_len::REJECTED + 1] = 3;
        words
    });
    let operator = operator(&guest.build(), Limits::default());
    let lengths = with_input(|input| {
        operator.transform(&CX, input, |outcome| {
            outcome.rejected().iter().map(|rejection| rejection.reason.len()).sum::<usize>()
        })
    });
    assert!(lengths.unwrap() < 10_000);
}

fn fault_of_failure(component: &[u8]) -> String {
    let operator = operator(component, Limits::default());
    with_input(|input| operator.transform(&CX, input, |_| ())).unwrap_err().fault.to_string()
}

#[test]
fn a_reason_outside_of_the_memory_is_refused() {
    let guest = Guest::giving_words(|_| vec![1, 1, 1024, u32::MAX]);
    assert!(matches!(fault_of(&guest.build()), CallFault::BadAbi { .. }));
}

#[test]
fn bitmaps_have_one_bit_a_record() {
    let keep = |bitmap: &[u8]| {
        let operator = operator(&Guest::filter(bitmap).build(), Limits::default());
        with_input(|input| operator.keep(&CX, input, <[u8]>::to_vec)).map_err(|e| e.fault)
    };
    assert_eq!(keep(&[0b101]).unwrap(), [0b101]);
    for bitmap in [&[][..], &[1, 1]] {
        let fault = keep(bitmap).unwrap_err();
        let CallFault::BadResult(ResultFault::BitmapLength { bytes, records: 3 }) = fault else {
            panic!("{fault:?}")
        };
        assert_eq!(bytes, bitmap.len());
    }
}

#[test]
fn accumulators_are_as_many_as_groups_and_none_is_absent() {
    let fold = |accumulators: &Col| {
        let operator = operator(&Guest::reducer(accumulators).build(), Limits::default());
        let given: Column = [None, None].into_iter().collect();
        let values = input();
        let folded =
            operator.fold(&CX, &[0, 1, 0], values.as_ref(), &[1, 2, 3], given.as_ref(), |folded| {
                folded.iter().map(|item| item.map(<[u8]>::to_vec)).collect::<Vec<_>>()
            });
        folded.map_err(|error| error.fault)
    };
    assert_eq!(fold(&Col::of(&["2", "1"])).unwrap(), [Some(b"2".to_vec()), Some(b"1".to_vec())]);
    assert!(matches!(
        fold(&Col::of(&["2"])).unwrap_err(),
        CallFault::BadResult(ResultFault::AccumulatorCount { returned: 1, expected: 2 })
    ));
    let absent = Col { validity: vec![0b01], offsets: vec![0, 1, 1], data: b"2".to_vec() };
    assert!(matches!(
        fold(&absent).unwrap_err(),
        CallFault::BadResult(ResultFault::AbsentAccumulator { index: 1 })
    ));
}

#[test]
fn reducers_merge_and_finish() {
    let operator = operator(&Guest::reducer(&Col::of(&["2", "1"])).build(), Limits::default());
    let accumulators: Column = [Some(b"1".as_slice()), Some(b"1")].into_iter().collect();
    let merged = operator
        .merge(&CX, accumulators.as_ref(), accumulators.as_ref(), |merged| merged.len())
        .unwrap();
    assert_eq!(merged, 2);
    let windows = [Window { start: 0, end: 60_000 }; 2];
    for windows in [&windows[..], &[]] {
        let finished =
            operator.finish(&CX, accumulators.as_ref(), windows, accumulators.as_ref(), |batch| {
                (batch.len(), batch.keys().len(), batch.values().get(0).map(<[u8]>::to_vec))
            });
        assert_eq!(finished.unwrap(), (2, 0, Some(b"2".to_vec())));
    }
}

#[test]
fn a_function_of_another_world_is_refused_by_name() {
    let operator = operator(&Guest::filter(&[0]).build(), Limits::default());
    let error = with_input(|input| operator.transform(&CX, input, |_| ())).unwrap_err();
    assert_eq!(error.fault.to_string(), "a plugin of the world `filter` has no such function");
}
