//! `tidemill demo`, small.

use crate::harness::run;

#[test]
fn the_demo_is_exactly_once() {
    let report = run(&["-o", "json", "demo", "--lines", "12000", "--seconds", "2"]).json();
    assert_eq!(
        (&report["exactlyOnce"], &report["differences"]),
        (&true.into(), &0.into()),
        "{report}"
    );
    assert_eq!((&report["recordsIn"], &report["parsedRecords"]), (&12000.into(), &12000.into()));
    assert_eq!(report["pages"], report["pageRecords"]);
    assert!(report["pages"].as_u64().unwrap() > 100);
    assert_eq!(report["lateRecords"], 0);
    assert!(report["batches"].as_u64().unwrap() > 4);
    assert!(report["recoveryReadyMs"].as_u64().unwrap() > 0);
}

#[test]
fn any_text_will_do() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text: Vec<u8> = (0..3000)
        .flat_map(|line| {
            format!("line {} of a\ttext, w\u{f6}rter too\r\n", line % 100).into_bytes()
        })
        .collect();
    text.extend_from_slice(b"\n\n\xff\xfe bytes \x0b and \0 no end");
    std::fs::write(file.path(), text).unwrap();
    let ran = run(&["demo", "--input", file.path().to_str().unwrap(), "--seconds", "1"]);
    let text = ran.ok();
    assert!(
        text.contains("exactly once: yes")
            && text.contains("access-log lines: 0")
            && text.contains("TOP WORDS"),
        "{text}"
    );
}

#[test]
fn an_input_that_is_not_there_or_empty() {
    run(&["demo", "--input", "no-such-file"]).fails(1, &["no-such-file"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    run(&["demo", "--input", file.path().to_str().unwrap()]).fails(1, &["has no lines", "hint"]);
}

#[test]
fn a_kept_host_is_left_up() {
    let ran = run(&["demo", "--keep", "--lines", "2000", "--seconds", "0"]);
    let after = |mark: &str| -> String {
        let found = ran.stderr.split_once(mark).unwrap_or_else(|| panic!("{mark}: {}", ran.stderr));
        found.1.split_whitespace().next().unwrap().to_owned()
    };
    let (address, pid) = (after("TIDEMILL_HOST="), after("  kill "));
    let folder = after("its data in ").trim_end_matches('.').to_owned();
    let listed = run(&["pipeline", "list", "--host", &address]);
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    crate::harness::eventually("the host has ended", || {
        (run(&["topic", "list", "--host", &address]).code != 0).then_some(())
    });
    std::fs::remove_dir_all(folder).unwrap();
    assert!(listed.ok().contains("page-latency"));
}
