//! The `tidemill` binary: the host, and the commands that talk to it.
//!
//! Folders in the order in which a record meets them: `cli` (what a person types), `config`, `host`
//! (log, plugins and engine opened together), `api` (HTTP in front of them), `metrics`, `serve` (the
//! order of start and stop), `project` (plugin projects, without a host), `trial` (plugins alone in the
//! sandbox), then `demo` and `bench`, which use all of it as any user would.
//!
//! **Exit codes: 0 done, 1 failed, 2 not understood (arguments or configuration).**

mod api;
mod bench;
mod cli;
mod client;
mod clock;
mod config;
mod demo;
mod host;
mod lines;
mod metrics;
mod project;
mod serve;
mod trial;
mod zipf;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = cli.output;
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(output);
            failure.exit_code()
        }
    }
}
