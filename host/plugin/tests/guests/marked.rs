//! Plugins that do to a record what the first letter of its value says, or of its key where the value is empty.
//!
//! `R` reject, `T` trap, `L` loop without end, `M` eat memory, `B` give back nonsense, `F` fail for good,
//! `Y` ask for another try, `P` trap only in the call's last step. Any other record is taken.

use super::image::Image;
use super::{Guest, Outcome};

/// A transform that gives every record back as it is, but for the marked ones.
pub fn transform() -> Guest {
    named(Guest::laid_out(|image| format!("{LOCALS} {}", transform_body(image))), "1.0.0")
        .with("(global $spoil (mut i32) (i32.const 0))")
        .with(TAKE)
        .post_return("(if (global.get $spoil) (then unreachable)) (call $reset)")
}

/// The same plugin with its faults mended.
pub fn mended() -> Guest {
    named(Guest::giving(&Outcome::default()), "1.0.1")
}

/// A filter that keeps every record but those marked `D`.
pub fn filter() -> Guest {
    let mut guest = Guest::filter(&[]);
    guest.functions.clear();
    let result = guest.image.words(&[0, 0, 0]);
    let bad = marks("unreachable");
    let body = format!(
        "{LOCALS} {COUNT_RECORDS}
         (local.set $at (call $take (i32.div_u (i32.add (local.get $n) (i32.const 7)) (i32.const 8))))
         (memory.fill (local.get $at) (i32.const 0)
           (i32.div_u (i32.add (local.get $n) (i32.const 7)) (i32.const 8)))
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
           {MARK}
           {bad}
           (if (i32.ne (local.get $mark) (i32.const 0x44)) (then
             (local.set $cell (i32.add (local.get $at) (i32.shr_u (local.get $i) (i32.const 3))))
             (i32.store8 (local.get $cell) (i32.or (i32.load8_u (local.get $cell))
               (i32.shl (i32.const 1) (i32.and (local.get $i) (i32.const 7)))))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $next)))
         (i32.store offset=4 (i32.const {result}) (local.get $at))
         (i32.store offset=8 (i32.const {result})
           (i32.div_u (i32.add (local.get $n) (i32.const 7)) (i32.const 8)))
         (i32.const {result})"
    );
    named(guest, "1.0.0")
        .with(TAKE)
        .function("predicate", "keep", "(param $batch i32)", &body)
        .with(&post_return("predicate", "keep"))
}

/// A reducer that counts the records of each key, in eight bytes.
pub fn reducer() -> Guest {
    let mut guest = Guest::reducer(&super::Col::default());
    guest.functions.clear();
    let folded = guest.image.words(&[0; 7]);
    let finished = guest.image.words(&[0; 21]);
    let (bad, values) = (marks("unreachable"), "(local.get 2) (local.get 4)");
    let fold = format!(
        "(local $n i32) (local $i i32) (local $m i32) (local $at i32) (local $cell i32)
         (local $mark i32) (local $start i32)
         (local.set $m (i32.sub (local.get 13) (i32.const 1)))
         {}
         (block $filled (loop $next
           (br_if $filled (i32.ge_u (local.get $i) (local.get $m)))
           (local.set $cell (i32.add (local.get 12) (i32.shl (local.get $i) (i32.const 2))))
           (local.set $start (i32.load (local.get $cell)))
           (if (i32.ne (i32.load offset=4 (local.get $cell)) (local.get $start)) (then
             (i64.store (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 3)))
               (i64.load (i32.add (local.get 10) (local.get $start))))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $next)))
         (local.set $i (i32.const 0))
         (local.set $n (local.get 1))
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
           (local.set $mark (call $mark_of {values} (local.get $i)))
           {bad}
           (local.set $cell (i32.add (local.get $at) (i32.shl
             (i32.load (i32.add (local.get 0) (i32.shl (local.get $i) (i32.const 2))))
             (i32.const 3))))
           (i64.store (local.get $cell) (i64.add (i64.load (local.get $cell)) (i64.const 1)))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $next)))
         (i32.const {folded})",
        new_accumulators(folded),
    );
    let merge = format!(
        "(local $i i32) (local $m i32) (local $at i32) (local $cell i32)
         (local.set $m (i32.sub (local.get 3) (i32.const 1)))
         {}
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $i) (local.get $m)))
           (local.set $cell (i32.shl (local.get $i) (i32.const 3)))
           (i64.store (i32.add (local.get $at) (local.get $cell)) (i64.add
             (i64.load (i32.add (local.get 0) (local.get $cell)))
             (i64.load (i32.add (local.get 6) (local.get $cell)))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $next)))
         (i32.const {folded})",
        new_accumulators(folded),
    );
    // The accumulators are the values, where they lie.
    let finish = format!(
        "(i32.store offset=28 (i32.const {finished}) (local.get 8))
         (i32.store offset=32 (i32.const {finished}) (local.get 9))
         (i32.store offset=36 (i32.const {finished}) (local.get 10))
         (i32.store offset=40 (i32.const {finished}) (local.get 11))
         (i32.const {finished})"
    );
    let params = |count: usize| format!("(param{})", " i32".repeat(count));
    named(guest, "1.0.0")
        .with(TAKE)
        .function("reduction", "fold", &params(16), &fold)
        .function("reduction", "merge", &params(12), &merge)
        .function("reduction", "finish", &params(14), &finish)
        .with(&["fold", "merge", "finish"].map(|name| post_return("reduction", name)).concat())
}

fn named(guest: Guest, version: &'static str) -> Guest {
    guest.described(|image| image.description("marked", version, 0b1111, &[]))
}

const LOCALS: &str = "(local $n i32) (local $i i32) (local $at i32) (local $cell i32)
    (local $mark i32) (local $rejected i32) (local $rejections i32) (local $extra i32)";

/// How many records there are: values, or else timestamps.
const COUNT_RECORDS: &str = "(local.set $n (i32.load offset=76 (local.get $batch)))
    (if (i32.load offset=36 (local.get $batch)) (then
      (local.set $n (i32.sub (i32.load offset=36 (local.get $batch)) (i32.const 1)))))";

/// The mark of record `$i`: of its value, or of its key where that is empty.
const MARK: &str = "(local.set $mark (call $mark_of (i32.load offset=24 (local.get $batch))
    (i32.load offset=32 (local.get $batch)) (local.get $i)))
    (if (i32.and (i32.eqz (local.get $mark)) (i32.ne (i32.load offset=12 (local.get $batch)) (i32.const 0)))
      (then (local.set $mark (call $mark_of (i32.load (local.get $batch))
        (i32.load offset=8 (local.get $batch)) (local.get $i)))))";

/// Memory, and the first byte of an item; zero for an empty one.
const TAKE: &str = "
(func $take (param $bytes i32) (result i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
  (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
  (local.get $at))
(func $mark_of (param $data i32) (param $offsets i32) (param $i i32) (result i32)
  (local $cell i32) (local $start i32)
  (if (i32.eqz (local.get $offsets)) (then (return (i32.const 0))))
  (local.set $cell (i32.add (local.get $offsets) (i32.shl (local.get $i) (i32.const 2))))
  (local.set $start (i32.load (local.get $cell)))
  (if (i32.eq (i32.load offset=4 (local.get $cell)) (local.get $start)) (then (return (i32.const 0))))
  (i32.load8_u (i32.add (local.get $data) (local.get $start))))";

/// What `T`, `L` and `M` do; `B` does `nonsense`.
fn marks(nonsense: &str) -> String {
    let is = |mark: char, what: &str| {
        format!("(if (i32.eq (local.get $mark) (i32.const {})) (then {what}))\n", mark as u32)
    };
    let bomb = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    [is('T', "unreachable"), is('L', "(loop $ever (br $ever))"), is('M', bomb), is('B', nonsense)]
        .concat()
}

fn transform_body(image: &mut Image) -> String {
    let result = image.words(&[0; 27]);
    let mut failure = |case: u32, message: &str| {
        let [start, length] = image.bytes(message.as_bytes());
        image.words(&[1, case, start, length])
    };
    let (fatal, retryable) = (failure(1, "no use"), failure(0, "not now"));
    let [reason, reason_length] = image.bytes(b"marked as rejected");
    let bad = marks("(local.set $extra (i32.const 1))");
    format!(
        "{COUNT_RECORDS}
         (global.set $spoil (i32.const 0))
         (local.set $at (call $take (i32.shl (local.get $n) (i32.const 2))))
         (local.set $rejected (call $take (i32.mul (local.get $n) (i32.const 12))))
         (block $done (loop $next
           (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
           {MARK}
           {bad}
           (if (i32.eq (local.get $mark) (i32.const 0x46)) (then (return (i32.const {fatal}))))
           (if (i32.eq (local.get $mark) (i32.const 0x59)) (then (return (i32.const {retryable}))))
           (if (i32.eq (local.get $mark) (i32.const 0x50)) (then (global.set $spoil (i32.const 1))))
           (local.set $cell (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 2))))
           (if (i32.eq (local.get $mark) (i32.const 0x52))
             (then
               (i32.store (local.get $cell) (i32.const 0))
               (local.set $cell (i32.add (local.get $rejected)
                 (i32.mul (local.get $rejections) (i32.const 12))))
               (i32.store (local.get $cell) (local.get $i))
               (i32.store offset=4 (local.get $cell) (i32.const {reason}))
               (i32.store offset=8 (local.get $cell) (i32.const {reason_length}))
               (local.set $rejections (i32.add (local.get $rejections) (i32.const 1))))
             (else (i32.store (local.get $cell) (i32.const 1))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $next)))
         (i32.store offset=84 (i32.const {result}) (local.get $at))
         (i32.store offset=88 (i32.const {result}) (i32.add (local.get $n) (local.get $extra)))
         (i32.store offset=100 (i32.const {result}) (local.get $rejected))
         (i32.store offset=104 (i32.const {result}) (local.get $rejections))
         (i32.const {result})"
    )
}

/// A column of `$m` accumulators of eight zero bytes at `$at`, which the words at `result` show.
fn new_accumulators(result: u32) -> String {
    format!(
        "(local.set $at (call $take (i32.shl (local.get $m) (i32.const 3))))
         (memory.fill (local.get $at) (i32.const 0) (i32.shl (local.get $m) (i32.const 3)))
         (local.set $cell (call $take (i32.shl (i32.add (local.get $m) (i32.const 1)) (i32.const 2))))
         (i32.store offset=4 (i32.const {result}) (local.get $at))
         (i32.store offset=8 (i32.const {result}) (i32.shl (local.get $m) (i32.const 3)))
         (i32.store offset=12 (i32.const {result}) (local.get $cell))
         (i32.store offset=16 (i32.const {result}) (i32.add (local.get $m) (i32.const 1)))
         (block $offsets_done (loop $offset
           (br_if $offsets_done (i32.gt_u (local.get $i) (local.get $m)))
           (i32.store (i32.add (local.get $cell) (i32.shl (local.get $i) (i32.const 2)))
             (i32.shl (local.get $i) (i32.const 3)))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $offset)))
         (local.set $i (i32.const 0))"
    )
}

fn post_return(interface: &str, function: &str) -> String {
    format!(
        "(func (export \"cabi_post_tidemill:plugin/{interface}@0.1.0#{function}\") (param i32) (call $reset))\n"
    )
}
