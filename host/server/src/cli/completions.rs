//! `tidemill completions`: a completion script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::write_line;
use super::{Cli, Failure};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tidemill completions bash > ~/.local/share/bash-completion/completions/tidemill\n  \
                        tidemill completions zsh > \"${fpath[1]}/_tidemill\""
)]
pub struct CompletionsArgs {
    /// The shell to complete in.
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidemill", &mut script);
    write_line(script.trim_ascii_end())
}
