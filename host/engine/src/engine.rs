//! All pipelines of a host: apply, start, stop, delete, watch.
//! **A pipeline that fails never takes another one, or the host, with it.**

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidemill_plugin::Runtime;
use tokio::sync::broadcast;

use crate::broker::Broker;
use crate::clock::Clock;
use crate::progress::{PipelineStatus, Progress};
use crate::spec::PipelineSpec;
