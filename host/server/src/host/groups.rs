//! Consumer groups of this host: the coordinator, and which groups are the pipelines' own.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_engine::engine::Engine;
use tidemill_engine::pipeline::{GROUP_PREFIX, pipeline_of_group};
use tidemill_kafka::coordinator::{Coordinator, GroupConfig, Owners};
use tidemill_log::{Environment, Log};

/// Groups that hold the positions of pipelines.
struct PipelineGroups {
    engine: Arc<Engine>,
    /// Pipelines that the engine does not know, but that are to come back.
    broken: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Owners for PipelineGroups {
    fn is_reserved(&self, group: &str) -> bool {
        group.starts_with(GROUP_PREFIX)
    }

    fn owner(&self, group: &str) -> Option<String> {
        let pipeline = pipeline_of_group(group)?;
        let is_there = self.engine.has(pipeline) || self.broken.lock().contains_key(pipeline);
        is_there.then(|| pipeline.to_owned())
    }
}

/// Opens the coordinator of the groups in `log`, with its upkeep.
pub(super) fn open(
    log: &Arc<Log>,
    environment: &Environment,
    config: GroupConfig,
    engine: &Arc<Engine>,
    broken: &Arc<Mutex<BTreeMap<String, String>>>,
) -> Coordinator {
    let owners = PipelineGroups { engine: Arc::clone(engine), broken: Arc::clone(broken) };
    let sources = (Arc::clone(&environment.clock), Arc::clone(&environment.random));
    let coordinator = Coordinator::open(Arc::clone(log), sources, config, Arc::new(owners));
    coordinator.start_upkeep();
    coordinator
}
