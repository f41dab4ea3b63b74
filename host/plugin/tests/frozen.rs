//! Components that were built for released versions of the contract keep working. `tests/frozen` has them.

mod texts;

use tidemill_plugin::{
    BatchRef, Column, ColumnRef, Grants, Limits, Operator, Runtime, RuntimeConfig, Settings,
};

use texts::{CX, column, texts};

fn operator(component: &[u8], settings: &Settings) -> Operator {
    let config = RuntimeConfig { instances_max: 4, ..RuntimeConfig::default() };
    let plugin = Runtime::new(config).unwrap().load(component, &Grants::none()).unwrap();
    assert!(plugin.exports().contains(&"tidemill:plugin/definition@0.1.0".to_owned()));
    plugin.operator("frozen", settings, Limits::default()).unwrap()
}

#[test]
fn a_transform_for_0_1_0() {
    let frozen = include_bytes!("../../../tests/frozen/upper-case-wit-0.1.0.wasm");
    let (values, times) = (column(&["one", "two"]), [1, 2]);
    let input = BatchRef::new(ColumnRef::EMPTY, values.as_ref(), ColumnRef::EMPTY, &times).unwrap();
    let upper = operator(frozen, &Settings::new());
    let made = upper.transform(&CX, input, |out| texts(out.emitted().values())).unwrap();
    assert_eq!(made, ["ONE", "TWO"]);
}

#[test]
fn a_filter_for_0_1_0() {
    let frozen = include_bytes!("../../../tests/frozen/contains-wit-0.1.0.wasm");
    let (values, times) = (column(&["an error", "all is well"]), [1, 2]);
    let input = BatchRef::new(ColumnRef::EMPTY, values.as_ref(), ColumnRef::EMPTY, &times).unwrap();
    let filter = operator(frozen, &Settings::new().with("text", "error"));
    assert_eq!(filter.keep(&CX, input, |kept| kept[0] & 0b11).unwrap(), 0b01);
}

#[test]
fn a_reducer_for_0_1_0() {
    let frozen = include_bytes!("../../../tests/frozen/count-wit-0.1.0.wasm");
    let count = operator(frozen, &Settings::new());
    let mut new = Column::new();
    new.push(None);
    new.push(None);
    let groups = [0, 1, 0];
    let folded: Column = count
        .fold(&CX, &groups, ColumnRef::EMPTY, &[], new.as_ref(), |column| column.into())
        .unwrap();
    let merged: Column =
        count.merge(&CX, folded.as_ref(), folded.as_ref(), |column| column.into()).unwrap();
    let keys = column(&["a", "b"]);
    let totals = count
        .finish(&CX, keys.as_ref(), &[], merged.as_ref(), |records| texts(records.values()))
        .unwrap();
    assert_eq!(totals, ["4", "2"]);
}
