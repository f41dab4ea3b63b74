//! What one bad record costs: a task of 10,000 records with one that traps, beside the same task without,
//! in the same run. Prints both and the ratio.
//!
//! Not a timed test: it fails only where the records that come out are not the right ones.

#[path = "../../plugin/tests/guests/mod.rs"]
mod guests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_engine::batch::chain::TaskOutput;
use tidemill_engine::batch::plan::BatchPlan;
use tidemill_engine::batch::poison::Breaker;
use tidemill_engine::batch::read::{Slice, run_source};
use tidemill_engine::broker::{Broker, Embedded, TopicPartition};
use tidemill_engine::graph::{Graph, PluginSource, PluginSourceError, compile};
use tidemill_engine::spec::PipelineSpec;
use tidemill_engine::upgrade::Versions;
use tidemill_log::simulation::Simulation;
use tidemill_log::{BatchBuilder, Blocking, Log, LogConfig};
use tidemill_plugin::{Grants, Plugin, Runtime, RuntimeConfig};

const RECORDS: usize = 10_000;
const RECORD_BYTES: usize = 104;
const ROUNDS: usize = 200;

const PIPELINE: &str = "
name = 'bench'
[[source]]
name = 'in'
topic = 'in'
[[operator]]
name = 'work'
plugin = 'marked'
input = 'in'
on_error = { dead_letter = 'dead' }
[[sink]]
name = 'out'
input = 'work'
topic = 'out'
";

struct Marked(Arc<Runtime>);

impl PluginSource for Marked {
    fn load(&self, _: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginSourceError> {
        Ok(self.0.load(&guests::marked::transform().build(), grants).expect("a plugin"))
    }
}

fn main() {
    // `cargo test` runs benchmarks too, to see that they work.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 3 };
    let graph = tokio::runtime::Runtime::new().expect("a runtime").block_on(graph());
    let (good, bad) = (slice(None), slice(Some(RECORDS / 3)));
    let (mut fastest_good, mut fastest_bad) = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        let (output, took) = timed(|| run(&graph, &good));
        assert_eq!(written(&output), [RECORDS as u64, 0]);
        fastest_good = fastest_good.min(took);
        let (output, took) = timed(|| run(&graph, &bad));
        assert_eq!(written(&output), [RECORDS as u64 - 1, 1]);
        fastest_bad = fastest_bad.min(took);
    }
    let ratio = fastest_bad.as_secs_f64() / fastest_good.as_secs_f64();
    println!(
        "{RECORDS} records of {RECORD_BYTES} bytes: {fastest_good:.1?}, with one that traps: {fastest_bad:.1?}, \
         ratio {ratio:.2} (target < 3)"
    );
}

async fn graph() -> Graph {
    let machine = Simulation::new(1);
    let log = Log::open(Path::new("/data"), machine.environment(), LogConfig::default()).await;
    let broker = Embedded::new(log.expect("a log"), Blocking::Inline);
    broker.ensure_topic("in", 1).await.expect("a topic");
    let runtime = Runtime::new(RuntimeConfig::default()).expect("an engine");
    let plugins: Arc<dyn PluginSource> = Arc::new(Marked(runtime));
    let spec = Arc::new(PipelineSpec::parse(PIPELINE).expect("a pipeline"));
    compile(&spec, &Versions::default(), None, &plugins, &broker).await.expect("a graph")
}

fn run(graph: &Graph, slice: &Slice) -> TaskOutput {
    let plan =
        BatchPlan { id: 1, time_ms: 0, ranges: Vec::new(), watermarks: Vec::new(), flush: false };
    let breaker = Breaker::new(graph.nodes(), RECORDS as u64, 0);
    run_source(graph, &plan, &breaker, "bench", 0, slice).expect("a task")
}

/// Records for the sink, and dead letters.
fn written(output: &TaskOutput) -> Vec<u64> {
    output.sinks.iter().map(|sink| sink.as_ref().map_or(0, |sink| sink.records)).collect()
}

fn slice(bad: Option<usize>) -> Slice {
    let mut builder = BatchBuilder::new();
    for record in 0..RECORDS {
        let mark = if Some(record) == bad { "Trap" } else { "ok" };
        let value = format!("{mark:<RECORD_BYTES$}");
        builder.push(None, Some(value.as_bytes()), &[], 0).expect("a small record");
    }
    let batch = builder.finish().expect("records");
    Slice {
        source: 0,
        at: TopicPartition { topic: "in".into(), partition: 0 },
        offsets: 0..RECORDS as i64,
        batches: vec![batch.bytes().to_vec().into()],
        retries: false,
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark's own stopwatch")]
fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = run();
    (result, started.elapsed())
}
