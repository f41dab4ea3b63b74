use std::time::Duration;

use super::*;

const GOOD: &str = r#"
name = "page-latency"
batch_interval = "250ms"
tasks = 4

[limits]
rate_max = 1000
batch_bytes_max = "1MiB"

[checkpoints]
location = "s3://bucket/tidemill"

[[source]]
name = "lines"
topic = "access-log"
start = "latest"

[[source]]
name = "more"
files = "/var/log/*.log"

[[operator]]
name = "parse"
plugin = "parse-access-log@1.0.0"
input = ["lines", "more"]
params = { key = "path", limit = 3, ratio = 0.5, strict = true }
limits = { memory = "32MiB", call = "1s" }
grants = ["logging"]

[[operator]]
name = "per-minute"
plugin = "stats"
input = "parse"
window = { size = "1m", slide = "20s", time = "event", delay = "10s" }

[[sink]]
name = "out"
input = "per-minute"
topic = "page-latency"
partitions = 2

[[sink]]
name = "rest"
input = ["per-minute.late", "parse.errors"]
files = "file:///srv/late"
"#;

#[test]
fn reads_everything_a_pipeline_can_say() {
    let spec = PipelineSpec::parse(GOOD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(spec.name.as_str(), "page-latency");
    assert_eq!(spec.trigger, Trigger::Interval(Duration::from_millis(250)));
    assert_eq!(spec.checkpoints.as_deref(), Some("s3://bucket/tidemill"));
    let limits = BatchLimits {
        rate_max: Some(1000.0),
        batch_bytes_max: 1 << 20,
        batch_records_max: None,
        back_pressure: true,
    };
    assert_eq!(spec.limits, limits);
    assert_eq!(spec.tasks, Some(4));
    let nodes = (&spec.sources, &spec.operators, &spec.sinks);
    let shown = serde_json::to_string_pretty(&nodes).unwrap();
    insta::assert_snapshot!("page_latency", shown);
}

#[test]
fn has_defaults() {
    let spec = PipelineSpec::parse(&pipeline("trigger = \"available-now\"", "", "")).unwrap();
    assert_eq!(spec.trigger, Trigger::AvailableNow);
    assert_eq!(spec.on_end, OnEnd::Keep);
    assert!(!spec.limits.back_pressure);
    assert_eq!(spec.limits.batch_bytes_max, 64 << 20);
    assert_eq!(spec.sources[0].start, Start::Earliest);
    assert_eq!(spec.operators[0].limits, OperatorLimits::default());
    let spec = PipelineSpec::parse(&pipeline("", "window = { size = \"1m\" }", "")).unwrap();
    assert_eq!(spec.trigger, Trigger::Interval(Duration::from_millis(100)));
    let window = spec.operators[0].window.unwrap();
    assert_eq!((window.size_ms, window.slide_ms, window.delay_ms), (60_000, 60_000, 0));
    assert_eq!(window.time, WindowTime::Event);
}

#[test]
fn points_into_the_file_later_too() {
    let spec = PipelineSpec::parse(GOOD).unwrap();
    let mut shown = Vec::new();
    for place in [
        Place::Pipeline,
        Place::Checkpoints,
        Place::Tasks,
        Place::Source(1),
        Place::SourceInput(1),
        Place::Operator(1),
        Place::Plugin(0),
        Place::Param(0, "limit".to_owned()),
        Place::Param(1, "absent".to_owned()),
        Place::OperatorInput(0, 1),
        Place::Grant(0, 0),
        Place::Window(1),
        Place::Window(0),
        Place::Sink(0),
        Place::SinkInput(1, 1),
        Place::SinkOutput(1),
        Place::Operator(99),
    ] {
        let hint = Some("a hint".to_owned());
        shown.push(SpecError::at(&spec, &place, format!("{place:?}"), hint).to_string());
    }
    let shown = shown.join("\n\n");
    insta::assert_snapshot!("places", shown);
}

/// A pipeline of one source, operator and sink, with lines added at three places.
fn pipeline(top: &str, operator: &str, rest: &str) -> String {
    format!(
        r#"name = "p"
{top}
[[source]]
name = "in"
topic = "t"
[[operator]]
name = "op"
plugin = "count"
input = "in"
{operator}
[[sink]]
name = "out"
input = "op"
topic = "u"
{rest}
"#
    )
}

/// Compares what a person sees for each of some wrong files, told apart by what was added to a good one.
fn check<'a>(name: &str, rows: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) {
    let mut shown = String::new();
    for (top, operator, rest) in rows {
        let error = match PipelineSpec::parse(&pipeline(top, operator, rest)) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        shown.push_str(&format!("{error}\n\n----\n"));
    }
    insta::assert_snapshot!(name, shown);
}

#[test]
fn tells_what_is_wrong_with_toml_and_keys() {
    check(
        "toml",
        [
            ("", "input = \"again\"", ""),
            ("batch_intervall = \"1s\"", "", ""),
            ("zzz = 1", "", ""),
            ("", "limits = { memry = \"1MiB\" }", ""),
            ("", "window = { slide = \"1m\" }", ""),
            ("", "params = { a = [1] }", ""),
            ("", "params = { a = nan, b = 1979-05-27, c = { d = 1 } }", ""),
            ("tasks = \"many\"", "", ""),
            ("batch_interval = 100", "", ""),
            ("name = ", "", ""),
            ("", "grants = [\"loging\"]", ""),
            ("", "limits = { memory = true }", ""),
            ("", "params = { a = 99999999999999999999 }", ""),
        ],
    );
}

#[test]
fn tells_what_is_wrong_with_values() {
    check(
        "values",
        [
            ("batch_interval = \"1 fortnight\"", "", ""),
            ("batch_interval = \"0ms\"", "", ""),
            ("batch_interval = \"48h\"", "", ""),
            ("trigger = \"availabe-now\"", "", ""),
            ("trigger = \"once\"\nbatch_interval = \"1s\"", "", ""),
            ("on_end = \"flush\"", "", ""),
            ("tasks = 0", "", ""),
            ("limits = { rate_max = 0, batch_bytes_max = \"1B\", batch_records_max = -1 }", "", ""),
            ("limits = { rate_max = inf, batch_bytes_max = 1e3 }", "", ""),
            ("checkpoints = { location = \"gs://bucket\" }", "", ""),
            ("checkpoints = { location = \"/srv/checkpoints\" }", "", ""),
            ("", "limits = { memory = \"64GiB\", call = \"0s\", output_bytes = 3000000000 }", ""),
            ("", "window = { size = \"1m\", slide = \"2m\" }", ""),
            ("", "window = { size = \"1h\", slide = \"7ms\" }", ""),
            ("", "window = { size = \"0s\" }", ""),
            ("", "window = { size = \"1m\", time = \"processing\", delay = \"1s\" }", ""),
            ("", "window = { size = \"1m\", time = \"evnt\" }", ""),
            ("", "", "partitions = 0"),
            ("", "", "print = true"),
        ],
    );
}

#[test]
fn tells_what_is_wrong_with_nodes() {
    let source = |text: &str| {
        format!(
            "[[source]]\nname = \"s\"\n{text}\n[[sink]]\nname = \"k\"\ninput = \"s\"\nprint = true"
        )
    };
    let rows = [
        source(""),
        source("topic = \"a\"\nfiles = \"b\""),
        source("topic = \"a/b\""),
        source("files = \"a[\""),
        source("files = \"s3://bucket/a\""),
        source("socket = \"example.com:80\""),
        source("files = \"a\"\nstart = \"latest\""),
        source("topic = \"t\""),
        source("topic = \"u\""),
        "[[sink]]\nname = \"k\"\ninput = \"op\"".to_owned(),
        "[[sink]]\nname = \"k\"\ninput = \"op\"\nprint = false".to_owned(),
        "[[sink]]\nname = \"k\"\ninput = \"op\"\ntopic = \"__consumer_offsets\"".to_owned(),
        "[[sink]]\nname = \"k\"\ninput = \"op\"\nfiles = \"out/\"\npartitions = 3".to_owned(),
        "[[sink]]\nname = \"ä b\"\ninput = \"op\"\nprint = true".to_owned(),
        "[[sink]]\nname = \"in\"\ninput = \"op\"\nprint = true".to_owned(),
    ];
    check("nodes", rows.iter().map(|row| ("", "", row.as_str())));
    let ends = source("socket = \"127.0.0.1:80\"");
    check("socket_that_ends", [("trigger = \"once\"", "", ends.as_str())]);
}

#[test]
fn tells_what_is_wrong_with_the_graph() {
    let operator = |name: &str, input: &str| {
        format!("[[operator]]\nname = \"{name}\"\nplugin = \"count\"\ninput = {input}\n")
    };
    let rows = [
        operator("a", "\"opp\""),
        operator("a", "\"nowhere-near\""),
        operator("a", "\"out\""),
        operator("a", "\"in.port\""),
        operator("a", "\"op.\""),
        operator("a", "[]"),
        operator("a", "[\"op\", \"op\"]"),
        operator("a", "\"a\""),
        operator("a", "\"c\"") + &operator("b", "[\"op\", \"a\"]") + &operator("c", "\"b\""),
        operator("a", "\"op\"") + &operator("b", "\"a\""),
    ];
    check("graph", rows.iter().map(|row| ("", "", row.as_str())));
    let empty = PipelineSpec::parse("name = \"p\"").map(|_| ()).unwrap_err();
    insta::assert_snapshot!("empty", empty);
}

#[test]
fn survives_hostile_files() {
    let deep = format!("a = {}", "[".repeat(100_000));
    let long = format!("name = \"{}\"", "ü".repeat(5000));
    let many = (0..1001).map(|at| format!("[[source]]\nname = \"s{at}\"\ntopic = \"t{at}\"\n"));
    let many = format!("name = \"p\"\n{}", many.collect::<String>());
    let large = "#".repeat(FILE_BYTES_MAX + 1);
    for text in
        ["", "\0", "\u{feff}", "name", "[[", "name = \"\u{1b}[2J\"", &deep, &long, &many, &large]
    {
        let error = PipelineSpec::parse(text).map(|_| ()).unwrap_err().to_string();
        assert!(error.len() < 2000 + 4 * 5000, "{}", error.len());
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
}

/// The longest chain of operators that a file may have.
#[test]
fn follows_long_chains() {
    let mut text = "name = \"p\"\n[[source]]\nname = \"n0\"\ntopic = \"t\"\n".to_owned();
    for at in 1..999 {
        let before = at - 1;
        text += &format!("[[operator]]\nname = \"n{at}\"\nplugin = \"x\"\ninput = \"n{before}\"\n");
    }
    text += "[[sink]]\nname = \"k\"\ninput = \"n998\"\nprint = true\n";
    assert_eq!(PipelineSpec::parse(&text).unwrap().operators.len(), 998);
}
