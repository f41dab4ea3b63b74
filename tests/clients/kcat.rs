//! kcat: metadata, produce, consume and a group, the way people use it on a command line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install;
use crate::produced::CODECS;
use crate::server::{EVERYTHING, Server, fresh};

#[track_caller]
fn kcat(program: &Path, server: &Server, args: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(["-b", server.bootstrap()]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn kcat_lists_produces_and_consumes() {
    let Some(program) = install::kcat() else { return };
    let Some(server) = Server::start(EVERYTHING) else { return };
    let kcat = |args: &[&str], input: &str| kcat(&program, &server, args, input);
    let topic = &*fresh("cat", "kcat");

    for codec in CODECS {
        let line = format!("{codec}:compressed with {codec}\n");
        kcat(&["-P", "-t", topic, "-K:", "-z", codec, "-p", "0", "-H", "from=kcat"], &line);
    }
    let listed: serde_json::Value = serde_json::from_str(&kcat(&["-L", "-J"], "")).unwrap();
    let named = listed["topics"].as_array().unwrap().iter().any(|found| found["topic"] == topic);
    assert!(named && !listed["brokers"].as_array().unwrap().is_empty(), "{listed}");

    let format = "%p %o %k=%s %h\n";
    let all = kcat(&["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format], "");
    let expected: Vec<String> = CODECS
        .iter()
        .enumerate()
        .map(|(offset, codec)| format!("0 {offset} {codec}=compressed with {codec} from=kcat"))
        .collect();
    assert_eq!(all.lines().collect::<Vec<_>>(), expected);
    let two = kcat(&["-C", "-t", topic, "-p", "0", "-o", "-2", "-e", "-q", "-f", format], "");
    assert_eq!(two.lines().collect::<Vec<_>>(), expected[3..]);
    let at = kcat(&["-C", "-t", topic, "-p", "0", "-o", "1", "-c", "1", "-q", "-f", format], "");
    assert_eq!(at.trim_end(), expected[1]);
    let from_time =
        kcat(&["-C", "-t", topic, "-p", "0", "-o", "s@1000", "-e", "-q", "-f", format], "");
    assert_eq!(from_time.lines().count(), CODECS.len());
    let offset = kcat(&["-Q", "-t", &format!("{topic}:0:-1")], "");
    assert!(offset.contains(&format!("offset {}", CODECS.len())), "{offset}");

    let group = &*fresh("group", "kcat");
    let from_start = ["-X", "auto.offset.reset=earliest", "-q", "-e", "-f", "%s\n"];
    let grouped = kcat(&[&["-G", group][..], &from_start, &[topic]].concat(), "");
    assert_eq!(grouped.lines().count(), CODECS.len());
    assert_eq!(kcat(&[&["-G", group][..], &from_start, &[topic]].concat(), ""), "");
}
