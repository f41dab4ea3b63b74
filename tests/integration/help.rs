//! What the commands say about themselves.

use crate::harness::run;

/// Every `--help`, as a person reads it.
#[test]
fn help_of_every_command() {
    let commands: [&[&str]; 20] = [
        &[],
        &["serve"],
        &["demo"],
        &["topic"],
        &["topic", "create"],
        &["produce"],
        &["consume"],
        &["group"],
        &["group", "reset"],
        &["plugin"],
        &["plugin", "new"],
        &["plugin", "build"],
        &["plugin", "test"],
        &["pipeline"],
        &["pipeline", "status"],
        &["pipeline", "dead-letters"],
        &["pipeline", "dead-letters", "p", "retry"],
        &["log"],
        &["bench"],
        &["bench", "word-count"],
    ];
    for command in commands {
        let mut args = command.to_vec();
        args.push("--help");
        let name = if command.is_empty() { "tidemill".to_owned() } else { command.join("_") };
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("help_{name}"), run(&args).ok());
        });
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).ok();
        assert!(script.contains("tidemill") && script.contains("pipeline"), "{shell}");
    }
}

#[test]
fn what_is_not_understood_exits_2() {
    run(&["frobnicate"]).fails(2, &["unrecognized subcommand"]);
    run(&["topic", "create"]).fails(2, &["required arguments"]);
    run(&["consume", "t", "--from", "yesterday"])
        .fails(2, &["neither `earliest`, `latest` nor an offset"]);
    run(&["--version"]).ok();
}
