//! `tidemill plugin`: new, build, test, inspect, push, list, remove, export.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::plugin_project::{BuildArgs, NewArgs, build, new};
use super::plugin_test::{TestArgs, test};
use super::{Connection, Failure, Output, oci, table};
use crate::api::wire::{PluginDescription, PluginList, PluginRemoved, PluginSummary};
use crate::client::query;
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
    /// Hand a component to the host, under the name and version that it describes itself with, or others.
    #[command(
        after_help = "Examples:\n  tidemill plugin push my_plugin.wasm\n  tidemill plugin push my_plugin.wasm --name orders --version 2.1.0\n  tidemill plugin push ./image        an OCI image layout"
    )]
    Push {
        /// The component, or the folder of an OCI image layout that has one.
        file: PathBuf,
        /// Another name than its own.
        #[arg(long)]
        name: Option<String>,
        /// Another version than its own.
        #[arg(long = "version", value_name = "VERSION")]
        plugin_version: Option<String>,
    },
    /// Write a plugin of the host to a file, or as an OCI image layout for other tools.
    #[command(
        after_help = "Examples:\n  tidemill plugin export upper-case --to upper-case.wasm\n  tidemill plugin export upper-case@0.1.0 --oci ./image"
    )]
    Export {
        /// `name`, `name@version` or `sha256:…`.
        plugin: String,
        /// The file.
        #[arg(long, value_name = "FILE", required_unless_present = "oci", conflicts_with = "oci")]
        to: Option<PathBuf>,
        /// The folder of the image layout; made if it is not there, added to if it is.
        #[arg(long, value_name = "FOLDER")]
        oci: Option<PathBuf>,
    },
    /// Forget a name and version. Refused where a pipeline runs it or may go back to it.
    #[command(after_help = "Example:\n  tidemill plugin remove my-plugin@1.0.0")]
    Remove {
        /// `name`, `name@version` or `sha256:…`.
        plugin: String,
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
        PluginCommand::Push { file, name, plugin_version } => {
            let component = if file.is_dir() { oci::read(&file)? } else { read(&file)? };
            let client = args.connection.client()?;
            let given = [("name", name), ("version", plugin_version)];
            let given: Vec<_> =
                given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let path = format!("/api/v1/plugins{}", query(&given));
            let pushed: PluginSummary =
                client.send(Method::POST, &path, "application/wasm", component.into()).await?;
            output.print(&pushed, |plugin| {
                format!("{}@{} is in the host\n{}", plugin.name, plugin.version, plugin.digest)
            })
        }
        PluginCommand::Export { plugin, to, oci } => {
            let client = args.connection.client()?;
            let path = client.below("/api/v1/plugins", &plugin);
            let described: PluginDescription = client.get_json(&path).await?;
            let component = client.bytes(&format!("{path}/component")).await?;
            let place = match (&to, &oci) {
                (Some(file), _) => {
                    write(file, &component)?;
                    file
                }
                (None, Some(folder)) => {
                    oci::write(folder, &component, &described)?;
                    folder
                }
                (None, None) => unreachable!("one of them is required"),
            };
            let PluginSummary { name, version, digest, .. } = &described.plugin;
            let exported =
                json!({ "name": name, "version": version, "digest": digest, "to": place });
            output.print(&exported, |_| format!("{name}@{version} is in {}", place.display()))
        }
        PluginCommand::Remove { plugin } => {
            let path = args.connection.client()?.below("/api/v1/plugins", &plugin);
            let removed: PluginRemoved = args.connection.client()?.delete_json(&path).await?;
            output.print(&removed, |removed| {
                let PluginRemoved { name, version, deleted, .. } = removed;
                let kept =
                    if deleted.is_empty() { "; a kept checkpoint needs its component" } else { "" };
                format!("{name}@{version} is forgotten{kept}")
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

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, bytes)
        .map_err(|source| Failure::WriteFile { path: file.to_owned(), source })
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
