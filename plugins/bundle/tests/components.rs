//! What is embedded are components that need nothing but the contract.

use tidemill_plugins::ready;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, World, WorldItem, WorldKey};

/// What a component of each plugin's world exports beside its definition.
const EXPORTS: [(&str, &str); 6] = [
    ("split-words", "transformer"),
    ("upper-case", "transformer"),
    ("parse-access-log", "transformer"),
    ("contains", "predicate"),
    ("count", "reduction"),
    ("stats", "reduction"),
];

fn interfaces<'w>(
    resolve: &'w Resolve,
    items: impl IntoIterator<Item = (&'w WorldKey, &'w WorldItem)>,
) -> Vec<String> {
    items.into_iter().map(|(key, _)| resolve.name_world_key(key)).collect()
}

fn decode(component: &[u8]) -> (Resolve, World) {
    match wit_component::decode(component).expect("a component") {
        DecodedWasm::Component(resolve, world) => {
            let world = resolve.worlds[world].clone();
            (resolve, world)
        }
        DecodedWasm::WitPackage(..) => panic!("a package instead of a component"),
    }
}

#[test]
fn each_is_a_component_of_its_world_that_imports_types_alone() {
    let names: Vec<&str> = ready().iter().map(|plugin| plugin.name).collect();
    assert_eq!(names, EXPORTS.map(|(name, _)| name));
    for (plugin, (_, export)) in ready().iter().zip(EXPORTS) {
        let (resolve, world) = decode(plugin.component);
        assert_eq!(
            interfaces(&resolve, &world.imports),
            ["tidemill:plugin/types@0.1.0"],
            "{}",
            plugin.name
        );
        let wanted = ["definition", export].map(|name| format!("tidemill:plugin/{name}@0.1.0"));
        assert_eq!(interfaces(&resolve, &world.exports), wanted, "{}", plugin.name);
    }
}

#[test]
fn they_are_small() {
    for plugin in ready() {
        let kib = plugin.component.len() / 1024;
        assert!(kib < 200, "{} has {kib} KiB: what has been linked into it?", plugin.name);
    }
}
