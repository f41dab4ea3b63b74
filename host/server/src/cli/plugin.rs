//! `tidemill plugin`: new, build, test, inspect, push, list.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;

use super::plugin_project::{BuildArgs, NewArgs, build, new};
use super::plugin_test::{TestArgs, test};
use super::{Connection, Failure, Output, table};
use crate::api::wire::{PluginDescription, PluginList, PluginSummary};
use crate::host::plugins;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tidemill plugin new my-plugin --lang python --world transform\n  tidemill plugin build my-plugin\n  tidemill plugin test my-plugin\n  tidemill plugin push my-plugin/build/my-plugin.wasm"
)]
pub struct PluginArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Start a project that builds and has a test.
    #[command(
        after_help = "Examples:\n  tidemill plugin new long-words --lang rust --world transform\n  tidemill plugin new --list"
    )]
    New(NewArgs),
    /// Build the component of a project with its language's own tools, and say where it is.
    #[command(
        after_help = "Examples:\n  tidemill plugin build\n  tidemill plugin build plugins/upper-case"
    )]
    Build(BuildArgs),
    /// Try a plugin in the real sandbox: its author's cases, and what every plugin has to stand.
    ///
    /// A project is built first; its cases are in cases.toml. What is `noted` keeps the contract, but is worth
    /// knowing. Needs no host.
    #[command(
        after_help = "Examples:\n  tidemill plugin test\n  tidemill plugin test --conformance their_plugin.wasm --param text=error"
    )]
    Test(TestArgs),
    /// Load a component as a host would, and show what it is. Needs no host.
    #[command(after_help = "Example:\n  tidemill plugin inspect my_plugin.wasm")]
    Inspect {
        /// The component.
        file: PathBuf,
    },
    /// Hand a component to the host, under the name and version that it describes itself with.
    #[command(after_help = "Example:\n  tidemill plugin push my_plugin.wasm")]
    Push {
        /// The component.
        file: PathBuf,
    },
    /// List the host's plugins.
    #[command(after_help = "Example:\n  tidemill plugin list -o json")]
    List,
}

pub async fn run(args: PluginArgs, output: Output) -> Result<(), Failure> {
    match args.command {
        PluginCommand::New(args) => new(&args, output),
        PluginCommand::Build(args) => build(&args, output),
        PluginCommand::Test(args) => test(&args, output),
        PluginCommand::Inspect { file } => {
            let described =
                plugins::inspect(&read(&file)?).map_err(|error| component_failure(&file, error))?;
            output.print(&described, describe_text)
        }
        PluginCommand::Push { file } => {
            let component = read(&file)?;
            let client = args.connection.client()?;
            let pushed: PluginSummary = client
                .send(Method::POST, "/api/v1/plugins", "application/wasm", component.into())
                .await?;
            output.print(&pushed, |plugin| {
                format!("{}@{} is in the host\n{}", plugin.name, plugin.version, plugin.digest)
            })
        }
        PluginCommand::List => {
            let list: PluginList = args.connection.client()?.get_json("/api/v1/plugins").await?;
            output.print(&list, list_text)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|source| Failure::ReadFile { path: file.to_owned(), source })
}

fn component_failure(file: &Path, error: plugins::InspectError) -> Failure {
    Failure::Component { path: file.to_owned(), hint: error.hint(), source: Box::new(error) }
}

fn list_text(list: &PluginList) -> String {
    let mut rows = table(&["NAME", "VERSION", "KIND", "SIZE", "SUMMARY"]);
    for plugin in &list.plugins {
        let size = bytesize::ByteSize(plugin.bytes).to_string();
        rows.add_row([&plugin.name, &plugin.version, &plugin.world, &size, &plugin.summary]);
    }
    rows.trim_fmt()
}

fn describe_text(described: &PluginDescription) -> String {
    let plugin = &described.plugin;
    let joined = |names: &[String], none: &str| {
        if names.is_empty() { none.to_owned() } else { names.join(", ") }
    };
    let mut text = format!(
        "{}@{} ({})\n{}\n\ndigest: {}\nsize: {}, compiled in {:.0} ms\nreads: {}\nports: {}\nimports: {}\ngrants needed: {}",
        plugin.name,
        plugin.version,
        plugin.world,
        plugin.summary,
        plugin.digest,
        bytesize::ByteSize(plugin.bytes),
        described.compile_ms,
        joined(&described.reads, "nothing"),
        joined(&described.ports, "out"),
        joined(&described.imports, "nothing"),
        joined(&described.grants_needed, "none"),
    );
    if !described.parameters.is_empty() {
        let mut rows = table(&["PARAMETER", "KIND", "DEFAULT", "WHAT IT DOES"]);
        for parameter in &described.parameters {
            let default = parameter
                .default
                .as_ref()
                .map_or_else(|| "required".to_owned(), ToString::to_string);
            rows.add_row([&parameter.name, &parameter.kind, &default, &parameter.doc]);
        }
        text.push_str("\n\n");
        text.push_str(&rows.trim_fmt());
    }
    text
}
