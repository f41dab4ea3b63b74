//! A broker without pipelines, to look at the protocol alone.
//!
//! `cargo run --release -p tidemill-kafka --example broker -- ./data 127.0.0.1:9092`

use std::sync::Arc;
use std::time::Duration;

use tidemill_kafka::coordinator::{Coordinator, GroupConfig, NoOwners};
use tidemill_kafka::{AutoCreate, Bound, Config, Limits};
use tidemill_log::{Environment, Log, LogConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().ok_or("a folder for the data is needed")?;
    let listener = arguments.next().ok_or("an address to listen on is needed")?;
    let bound = Bound::bind(Config {
        listeners: vec![listener.parse()?],
        auto_create: Some(AutoCreate::default()),
        limits: Limits::default(),
    })?;
    let environment = Environment::real();
    let log = Log::open(data.as_ref(), environment.clone(), LogConfig::default()).await?;
    let sources = (environment.clock, environment.random);
    let groups =
        Coordinator::open(log.clone(), sources, GroupConfig::default(), Arc::new(NoOwners));
    groups.start_upkeep();
    println!("{}", bound.addresses()[0]);
    let _server = bound.open(log.clone(), groups);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.maintain().await;
    }
}
