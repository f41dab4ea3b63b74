//! The benchmarks work. How fast they are is nothing that a test may judge.

use crate::harness::run;

#[test]
fn each_benchmark_prints_a_ratio() {
    for bench in ["word-count", "boundary", "append", "latency"] {
        let text = run(&["bench", bench, "--smoke"]).ok();
        assert!(text.to_lowercase().contains("ratio"), "{bench}: {text}");
        let json = run(&["-o", "json", "bench", bench, "--smoke"]).json();
        let ratio = json["ratio"].as_f64().or_else(|| json[0]["ratio"].as_f64());
        assert!(ratio.is_some_and(|ratio| ratio > 0.0), "{bench}: {json}");
    }
}
