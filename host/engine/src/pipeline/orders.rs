//! What a driver is told while it runs: to stop, or to run other plugins.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::graph::Graph;
use crate::upgrade::{Switch, Versions};

/// The driver's end. A sender that is gone is a host that is gone.
pub struct Orders {
    stop: watch::Receiver<bool>,
    switches: mpsc::Receiver<Switch>,
    next: Option<Switch>,
    graph: Arc<Graph>,
    versions: Versions,
}

impl Orders {
    /// Orders for a driver that begins with `graph`.
    #[must_use]
    pub fn new(
        graph: Arc<Graph>,
        versions: Versions,
        stop: watch::Receiver<bool>,
        switches: mpsc::Receiver<Switch>,
    ) -> Self {
        Self { stop, switches, next: None, graph, versions }
    }

    /// What is to run.
    #[must_use]
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// What that was made from.
    #[must_use]
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// From now on this is.
    pub fn switched(&mut self, graph: Arc<Graph>, versions: Versions) {
        (self.graph, self.versions) = (graph, versions);
    }

    /// Whether it is to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns once it is to stop.
    pub async fn stopped(&mut self) {
        let _ = self.stop.wait_for(|stop| *stop).await;
    }

    /// Returns once there is an order of any kind.
    pub async fn given(&mut self) {
        let Self { stop, switches, next, .. } = self;
        if next.is_some() {
            return;
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            Some(switch) = switches.recv() => *next = Some(switch),
        }
    }

    /// The next graph that it is to run.
    pub fn take_switch(&mut self) -> Option<Switch> {
        self.next.take().or_else(|| self.switches.try_recv().ok())
    }
}
