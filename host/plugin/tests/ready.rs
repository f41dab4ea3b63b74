//! The ready plugins, made with the SDK, in the sandbox.

mod texts;

use std::sync::Arc;

use tidemill_plugin::{
    BatchRef, Column, ColumnRef, Grants, Limits, Operator, Runtime, RuntimeConfig, Settings,
    Window, World,
};

use texts::{CX, column, texts};

fn runtime() -> Arc<Runtime> {
    Runtime::new(RuntimeConfig { instances_max: 16, ..RuntimeConfig::default() }).unwrap()
}

fn operator(name: &str, settings: &Settings) -> Operator {
    let ready = tidemill_plugins::ready().iter().find(|plugin| plugin.name == name).unwrap();
    let plugin = runtime().load(ready.component, &Grants::none()).unwrap();
    plugin.operator(name, settings, Limits::default()).unwrap()
}

#[test]
fn each_describes_itself_and_asks_for_nothing() {
    let runtime = runtime();
    for ready in tidemill_plugins::ready() {
        let plugin = runtime.load(ready.component, &Grants::none()).unwrap();
        let description = plugin.description();
        assert_eq!(description.name, ready.name);
        assert_eq!(description.version.to_string(), ready.version);
        let expected = match ready.name {
            "contains" => World::Filter,
            "count" | "stats" => World::Reducer,
            _ => World::Transform,
        };
        assert_eq!(plugin.world(), expected, "{}", ready.name);
        let needless = |import: &&String| !import.starts_with("tidemill:plugin/types@");
        assert_eq!(plugin.imports().iter().find(needless), None, "{}", ready.name);
    }
}

#[test]
fn lines_are_split_counted_and_folded() {
    let (lines, times) = (column(&["to be or", "", "not  to be"]), [1, 2, 3]);
    let input = BatchRef::new(ColumnRef::EMPTY, lines.as_ref(), ColumnRef::EMPTY, &times).unwrap();
    let split = operator("split-words", &Settings::new());
    let (words, sources) = split
        .transform(&CX, input, |out| {
            (texts(out.emitted().keys()), out.sources().collect::<Vec<_>>())
        })
        .unwrap();
    assert_eq!(words, ["to", "be", "or", "not", "to", "be"]);
    assert_eq!(sources, [0, 0, 0, 2, 2, 2]);

    let count = operator("count", &Settings::new());
    let new: Column = [None, None].into_iter().collect();
    let own = |column: ColumnRef<'_>| {
        let mut own = Column::new();
        own.extend(column);
        own
    };
    let values = column(&["", "", ""]);
    let folded = count.fold(&CX, &[0, 1, 0], values.as_ref(), &times, new.as_ref(), own).unwrap();
    let merged = count.merge(&CX, folded.as_ref(), folded.as_ref(), own).unwrap();
    let keys = column(&["to", "be"]);
    for windows in [&[][..], &[Window { start: 0, end: 60_000 }; 2]] {
        let counts = count
            .finish(&CX, keys.as_ref(), windows, merged.as_ref(), |batch| texts(batch.values()));
        assert_eq!(counts.unwrap(), ["4", "2"]);
    }
}

#[test]
fn filters_keep_and_settings_reach_the_plugin() {
    let (lines, times) = (column(&["an Error", "fine", "error"]), [1, 2, 3]);
    let input = BatchRef::new(ColumnRef::EMPTY, lines.as_ref(), ColumnRef::EMPTY, &times).unwrap();
    let description = operator_description("contains");
    let needle = description.first().cloned().unwrap();
    let keep = operator("contains", &Settings::new().with(&needle, "rror"));
    assert_eq!(keep.keep(&CX, input, <[u8]>::to_vec).unwrap(), [0b101]);
}

fn operator_description(name: &str) -> Vec<String> {
    let ready = tidemill_plugins::ready().iter().find(|plugin| plugin.name == name).unwrap();
    let plugin = runtime().load(ready.component, &Grants::none()).unwrap();
    plugin.description().parameters.iter().map(|p| p.name.clone()).collect()
}

#[test]
fn a_batch_of_which_a_plugin_reads_nothing_keeps_its_number_of_records() {
    // `upper-case` reads values; all three records have none.
    let times = [1, 2, 3];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    let upper = operator("upper-case", &Settings::new());
    assert_eq!(upper.transform(&CX, input, |out| out.emitted().len()).unwrap(), 3);
}

#[test]
fn the_same_batch_gives_the_same_bytes_on_any_instance() {
    let lines: Vec<String> =
        (0..5_000).map(|n| format!("line {n} of Many ünd so Weiter")).collect();
    let lines = column(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let times = vec![7; 5_000];
    let input = BatchRef::new(ColumnRef::EMPTY, lines.as_ref(), ColumnRef::EMPTY, &times).unwrap();
    for name in ["upper-case", "split-words"] {
        let bytes = |operator: &Operator| {
            let own = |column: ColumnRef<'_>| (column.data().to_vec(), column.offsets().to_vec());
            operator.transform(&CX, input, |out| {
                (own(out.emitted().keys()), own(out.emitted().values()), out.counts().to_vec())
            })
        };
        let first = operator(name, &Settings::new());
        let expected = bytes(&first).unwrap();
        assert_eq!(bytes(&first).unwrap(), expected);
        assert_eq!(bytes(&operator(name, &Settings::new())).unwrap(), expected);
    }
}
