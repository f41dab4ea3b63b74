//! `tidemill plugin new` and `tidemill plugin build`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, Output, table};
use crate::project::{self, Built, Created, Language, ProjectName, World, worlds_of};

#[derive(Args)]
pub struct NewArgs {
    /// Name of the plugin: lower case, words joined by `-`.
    #[arg(required_unless_present = "list")]
    name: Option<ProjectName>,
    /// Language to write it in.
    #[arg(long, value_enum, required_unless_present = "list")]
    lang: Option<Language>,
    /// What it does with records.
    #[arg(long, value_enum, default_value = "transform")]
    world: World,
    /// Folder to make; by default one with the plugin's name.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Show the languages, what can be written in each, and what they need.
    #[arg(long, conflicts_with_all = ["name", "lang", "path"])]
    list: bool,
}

#[derive(Args)]
pub struct BuildArgs {
    /// Folder of the project, with its Cargo.toml, package.json or the like.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub fn new(args: &NewArgs, output: Output) -> Result<(), Failure> {
    // The arguments are required where nothing is to be listed.
    let (Some(name), Some(language)) = (&args.name, args.lang) else {
        return output.print(&languages(), languages_text);
    };
    let dir = args.path.clone().unwrap_or_else(|| name.as_str().into());
    let created = project::create(name, language, args.world, &dir)?;
    output.print(&created, created_text)
}

pub fn build(args: &BuildArgs, output: Output) -> Result<(), Failure> {
    output.print(&project::build(&args.dir)?, built_text)
}

/// A language of `--list`.
#[derive(Serialize)]
struct Listed {
    language: &'static str,
    worlds: Vec<&'static str>,
    needs: &'static str,
}

fn languages() -> Vec<Listed> {
    let worlds =
        |language: &Language| worlds_of(*language).iter().map(|world| world.name()).collect();
    let listed = |language: &Language| Listed {
        language: language.name(),
        worlds: worlds(language),
        needs: language.needs(),
    };
    Language::ALL.iter().map(listed).collect()
}

fn languages_text(languages: &Vec<Listed>) -> String {
    let mut rows = table(&["LANGUAGE", "WORLDS", "NEEDS"]);
    for language in languages {
        rows.add_row([language.language, &language.worlds.join(", "), language.needs]);
    }
    rows.trim_fmt()
}

fn created_text(created: &Created) -> String {
    let dir = created.project.display();
    let files: String = created.files.iter().map(|file| format!("  {file}\n")).collect();
    format!(
        "{dir}: a {} in {}\n{files}next: cd {dir} && cat README.md, then tidemill plugin build",
        created.world, created.language
    )
}

fn built_text(built: &Built) -> String {
    let component = built.component.display();
    format!(
        "{component}\n{}, {}\nnext: tidemill plugin push {component}",
        bytesize::ByteSize(built.bytes),
        built.digest
    )
}
