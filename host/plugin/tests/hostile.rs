//! Plugins that loop, trap, eat memory or leave: each is a typed error, the host lives, and the next
//! call gets a fresh instance.

mod guests;

use std::time::Duration;

use guests::{CX, Col, Guest, Outcome, chain, operator, runtime};
use tidemill_plugin::{
    BatchRef, CallError, CallFault, ColumnRef, Grants, Limits, Operator, Resource, Settings,
    StartError,
};

/// Bad for the batch's first record timestamp 0, honest for any other: the same operator shows both.
const IS_BAD: &str = "(i64.eqz (i64.load (i32.load offset=72 (local.get $batch))))";

/// A transform that does `bad` where it is told to, and otherwise gives one value back.
fn sometimes(bad: &str, items: &str) -> Guest {
    Guest::doing(&format!("(if {IS_BAD} (then {bad}))"), &fine()).with(items)
}

fn fine() -> Outcome {
    Outcome { values: Col::of(&["fine"]), ..Outcome::default() }
}

fn call(operator: &Operator, time: i64) -> Result<Option<Vec<u8>>, CallError> {
    let times = [time];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    operator.transform(&CX, input, |out| out.emitted().values().get(0).map(<[u8]>::to_vec))
}

const LIMITS: Limits = Limits {
    memory_bytes_max: 16 << 20,
    table_elements_max: 1_000,
    call_time_max: Duration::from_millis(50),
    output_bytes_max: 1 << 20,
    instances_max: 64,
    idle_instances_max: 2,
    log_lines_per_second_max: 100,
};

/// The fault of a bad call, after which a good one works on a new instance.
fn fault_of(guest: &Guest) -> CallFault {
    let operator = operator(&guest.build(), LIMITS);
    assert_eq!(call(&operator, 1).unwrap().as_deref(), Some(b"fine".as_slice()));
    let error = call(&operator, 0).unwrap_err();
    assert_eq!(call(&operator, 1).unwrap().as_deref(), Some(b"fine".as_slice()));
    let costs = operator.costs();
    assert_eq!((costs.instances_started, costs.instances_dropped), (2, 1));
    assert!(error.hint().is_some());
    error.fault
}

#[test]
fn an_endless_loop_is_interrupted() {
    let fault = fault_of(&sometimes("(loop $again (br $again))", ""));
    assert!(matches!(fault, CallFault::Timeout { limit } if limit == LIMITS.call_time_max));
    assert_eq!(fault.to_string(), "the call took longer than 50ms");
}

#[test]
fn deep_recursion_is_a_trap_with_a_bounded_backtrace() {
    let long = "f".repeat(3_000);
    let items = format!(
        "(func ${long} (param i32) (result i32) (i32.add (i32.const 1) (call ${long} (local.get 0))))"
    );
    let fault = fault_of(&sometimes(&format!("(drop (call ${long} (i32.const 1)))"), &items));
    let CallFault::Trap { reason, backtrace } = fault else { panic!("{fault:?}") };
    assert!(reason.contains("call stack exhausted"), "{reason}");
    assert!(backtrace.starts_with("0: "), "{backtrace}");
    assert!(backtrace.len() < 20_000, "{}", backtrace.len());
}

#[test]
fn traps_say_what_and_where() {
    let fault = fault_of(&sometimes(
        "(call $divide)",
        "(func $divide (drop (i32.div_u (i32.const 1) (i32.const 0))))",
    ));
    let CallFault::Trap { reason, backtrace } = fault else { panic!("{fault:?}") };
    assert!(reason.contains("integer divide by zero"), "{reason}");
    assert!(backtrace.contains("divide"), "{backtrace}");
    let fault = fault_of(&sometimes("(drop (i32.load (i32.const -4)))", ""));
    assert!(fault.to_string().contains("out of bounds memory access"), "{fault}");
}

#[test]
fn a_memory_bomb_runs_out_of_its_own_memory() {
    let bomb = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let fault = fault_of(&sometimes(bomb, ""));
    assert!(
        matches!(fault, CallFault::OutOfMemory { what: Resource::Memory, limit } if limit == LIMITS.memory_bytes_max),
        "{fault:?}"
    );
}

#[test]
fn a_table_bomb_runs_out_of_its_own_table() {
    let bomb = "(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable";
    let fault = fault_of(&sometimes(bomb, "(table $t 1 funcref)"));
    assert!(
        matches!(fault, CallFault::OutOfMemory { what: Resource::Table, limit: 1_000 }),
        "{fault:?}"
    );
}

#[test]
fn a_guest_that_leaks_is_replaced_before_it_fails() {
    // One MiB more in every call, of the 16 it may have; 4 at its start.
    let leak = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))";
    let guest = Guest::doing(leak, &fine());
    let operator = operator(&guest.build(), LIMITS);
    for _ in 0..50 {
        call(&operator, 1).unwrap();
    }
    let costs = operator.costs();
    assert!((5..10).contains(&costs.instances_dropped), "{costs:?}");
    assert!(costs.memory_bytes_high <= LIMITS.memory_bytes_max as u64);
}

#[test]
fn a_trap_in_post_return_spoils_the_call() {
    let guest = Guest::giving(&fine()).post_return("unreachable");
    let operator = operator(&guest.build(), LIMITS);
    let error = call(&operator, 1).unwrap_err();
    assert!(matches!(error.fault, CallFault::Trap { .. }), "{error:?}");
}

#[test]
fn time_with_the_result_is_not_the_guests() {
    // Enough work after the result was read for the deadline to be looked at.
    let guest = Guest::giving(&fine()).post_return(
        "(local $n i32) (loop $again (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $n) (i32.const 100000))))",
    );
    let operator = operator(&guest.build(), LIMITS);
    let times = [1];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    let slow = Duration::from_millis(200);
    operator.transform(&CX, input, |_| std::thread::sleep(slow)).unwrap();
    assert!(operator.costs().guest_time < slow / 2);
    let endless = Guest::giving(&fine()).post_return("(loop $again (br $again))");
    let operator = guests::operator(&endless.build(), LIMITS);
    let error = operator.transform(&CX, input, |_| std::thread::sleep(slow)).unwrap_err();
    assert!(matches!(error.fault, CallFault::Timeout { .. }), "{error:?}");
}

#[test]
fn a_panic_of_the_host_with_a_result_drops_the_instance() {
    let operator = operator(&sometimes("", "").build(), LIMITS);
    let times = [1];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        operator.transform(&CX, input, |_| -> () { panic!("in the engine") })
    }));
    assert!(panicked.is_err());
    assert!(call(&operator, 1).is_ok());
    assert_eq!(operator.costs().instances_started, 2);
}

#[test]
fn a_result_may_be_read_while_another_call_runs() {
    let outer = operator(&sometimes("", "").build(), LIMITS);
    let inner = operator(&sometimes("unreachable", "").build(), LIMITS);
    let times = [1];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    let both = outer.transform(&CX, input, |out| {
        assert!(call(&inner, 0).is_err());
        let inner = call(&inner, 1).unwrap();
        (inner, call(&outer, 1).unwrap(), out.emitted().values().get(0).map(<[u8]>::to_vec))
    });
    let fine = Some(b"fine".to_vec());
    assert_eq!(both.unwrap(), (fine.clone(), fine.clone(), fine));
}

#[test]
fn a_start_that_fails_is_found_when_the_operator_is_made() {
    let cases = [
        (Guest::transform("unreachable").configure_body("unreachable"), "configure", "trapped"),
        (
            Guest::transform("unreachable").configure_body("(loop $again (br $again)) unreachable"),
            "configure",
            "longer than 50ms",
        ),
    ];
    for (guest, during, what) in cases {
        let plugin = guests::load(&guest.build()).unwrap();
        let error = plugin.operator("split", &Settings::new(), LIMITS).unwrap_err();
        let chain = chain(&error);
        assert!(chain.contains(&format!("failed in `{during}`")), "{chain}");
        assert!(chain.contains(what), "{chain}");
    }
    let guest = Guest::transform("unreachable").refusing("`n` must be odd");
    let plugin = guests::load(&guest.build()).unwrap();
    let error = plugin.operator("split", &Settings::new(), LIMITS).unwrap_err();
    assert!(
        chain(&error).contains("the plugin refused its settings: `n` must be odd"),
        "{error:?}"
    );
}

#[test]
fn eight_threads_share_an_operator_and_bad_calls_harm_no_other() {
    let operator = operator(&sometimes("unreachable", "").build(), LIMITS);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let operator = &operator;
            scope.spawn(move || {
                for round in 0..200 {
                    let is_bad = (round + thread) % 5 == 0;
                    assert_eq!(call(operator, i64::from(!is_bad)).is_err(), is_bad);
                }
            });
        }
    });
    let costs = operator.costs();
    assert_eq!((costs.calls, costs.failed_calls), (1_600, 320));
}

#[test]
fn idle_instances_make_room_for_others() {
    let runtime = runtime();
    let component = sometimes("", "").build();
    let plugin = runtime.load(&component, &Grants::none()).unwrap();
    // Sixteen instances in all: each operator keeps one idle until another needs the room.
    let operators: Vec<_> = (0..40)
        .map(|n| plugin.operator(&format!("o{n}"), &Settings::new(), LIMITS).unwrap())
        .collect();
    for operator in operators.iter().chain(&operators) {
        call(operator, 1).unwrap();
    }
    // With all of them in use there is none left.
    fn nest(operators: &[Operator]) -> Result<(), CallError> {
        let Some((operator, rest)) = operators.split_first() else { return Ok(()) };
        let times = [1];
        let input =
            BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
        operator.transform(&CX, input, |_| nest(rest))?
    }
    let error = nest(&operators).unwrap_err();
    assert!(
        matches!(error.fault, CallFault::Start(StartError::NoRoom { instances_max: 16 })),
        "{error:?}"
    );
    assert!(error.is_retryable());
    nest(&operators[..16]).unwrap();
}

#[test]
fn the_hosts_memory_returns() {
    let bomb = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (memory.fill (i32.const 65536) (i32.const 1) (i32.const 15000000)) unreachable";
    let operator = operator(&sometimes(bomb, "").build(), LIMITS);
    let one_round = || {
        for _ in 0..20 {
            assert!(call(&operator, 0).is_err());
        }
        resident_bytes()
    };
    let before = one_round();
    for _ in 0..5 {
        one_round();
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_result_pointer_outside_of_the_memory_is_refused() {
    for address in ["-8", "1025"] {
        let fault = fault_of(&sometimes(&format!("(return (i32.const {address}))"), ""));
        assert!(matches!(fault, CallFault::BadAbi { .. }), "{fault:?}");
    }
}

#[test]
fn parameters_are_not_written_outside_of_the_memory() {
    let guest = Guest::transform("unreachable").realloc(
        // The empty list of settings is nowhere; all that has a size is outside.
        "(select (i32.const 0x7FFFFFF0) (i32.const 8) (local.get 3))",
    );
    let operator = operator(&guest.build(), LIMITS);
    let error = call(&operator, 1).unwrap_err();
    assert!(matches!(error.fault, CallFault::BadAbi { .. }), "{error:?}");
}
