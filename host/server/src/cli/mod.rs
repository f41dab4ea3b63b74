//! What a person types: the commands, their help, and what they print.
//!
//! Each command has a file that parses its arguments and runs it. Commands that need a host talk to it
//! over HTTP (`client`), so that everything they can do, any other program can do as well.
//! **What is asked for goes to stdout, everything else (progress, logs, errors) to stderr.**

mod completions;
mod consume;
mod dead_letters;
mod failure;
mod group;
mod log;
mod oci;
mod output;
mod parameter;
mod pipeline;
mod plugin;
mod plugin_project;
mod plugin_test;
mod produce;
mod topic;
mod upgrade;
mod watch;

use clap::{Args, Parser, Subcommand};

pub use failure::Failure;
pub use failure::{causes, chain};
pub use output::{Output, progress_bar, table, write_line};
pub use parameter::parameter;
pub use pipeline::Status;

use crate::{bench, client::Client, demo, serve};

/// Stream processing in one binary: a durable log, micro-batches, and operators that are WebAssembly
/// components.
#[derive(Parser)]
#[command(
    name = "tidemill",
    version,
    after_help = "Examples:\n  tidemill demo                      see everything at work, nothing to install\n  \
                  tidemill serve --data ./data       start a host\n  tidemill topic create lines        in another terminal"
)]
pub struct Cli {
    /// How results are printed.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t = Output::Text,
        env = "TIDEMILL_OUTPUT",
        help_heading = "Global options"
    )]
    pub output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a host: log, pipelines and HTTP API.
    Serve(serve::ServeArgs),
    /// Show the main job end to end, with a crash half way.
    Demo(demo::DemoArgs),
    /// Create, list, describe, alter and delete topics.
    Topic(topic::TopicArgs),
    /// Write lines into a topic.
    Produce(produce::ProduceArgs),
    /// Read the records of a topic.
    Consume(consume::ConsumeArgs),
    /// List, describe, reset and delete consumer groups.
    Group(group::GroupArgs),
    /// Start, build, test, inspect, push and list plugins.
    Plugin(plugin::PluginArgs),
    /// Apply, watch and control pipelines.
    Pipeline(pipeline::PipelineArgs),
    /// Look into the log of a folder that no host has open.
    Log(log::LogArgs),
    /// Measure, each figure beside a peer or native code in the same run.
    Bench(bench::BenchArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// Where the host is.
#[derive(Args, Clone)]
pub struct Connection {
    /// Address of the host's HTTP API.
    #[arg(
        long,
        global = true,
        env = "TIDEMILL_HOST",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Global options",
        value_name = "URL"
    )]
    host: String,
}

impl Connection {
    /// A client of that host. Nothing is sent yet.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.host)?)
    }
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let output = cli.output;
    match cli.command {
        Command::Completions(args) => completions::run(&args),
        Command::Serve(args) => serve::run(args, output),
        Command::Bench(args) => bench::run(args, output),
        other => small_runtime()?.block_on(run_client(other, output)),
    }
}

/// Commands that mostly wait need no thread per core.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)
}

async fn run_client(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(args, output).await,
        Command::Topic(args) => topic::run(args, output).await,
        Command::Produce(args) => produce::run(args, output).await,
        Command::Consume(args) => consume::run(args, output).await,
        Command::Group(args) => group::run(args, output).await,
        Command::Plugin(args) => plugin::run(args, output).await,
        Command::Pipeline(args) => pipeline::run(args, output).await,
        Command::Log(args) => log::run(args, output).await,
        Command::Serve(_) | Command::Bench(_) | Command::Completions(_) => {
            unreachable!("run without a client's runtime")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    /// Every command that does something shows how to use it.
    #[test]
    fn every_help_has_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "`{path} --help` has no example");
            for inner in command.get_subcommands() {
                check(inner, &path);
            }
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn arguments_are_sound() {
        Cli::command().debug_assert();
    }
}
