//! The contract in `wit/` is one that the component tools accept, with every world in it.

use wit_parser::Resolve;

const WORLDS: [&str; 8] = [
    "transform",
    "filter",
    "reducer",
    "invertible-reducer",
    "processor",
    "joiner",
    "partitioner",
    "grants",
];

#[test]
fn the_tools_accept_every_world() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("../../wit").expect("the package parses");
    assert_eq!(resolve.packages[package].name.to_string(), "tidemill:plugin@0.1.0");
    let worlds: Vec<&str> = resolve.packages[package].worlds.keys().map(String::as_str).collect();
    for name in WORLDS {
        assert!(worlds.contains(&name), "no world `{name}` among {worlds:?}");
        let world = resolve.packages[package].worlds[name];
        let mut module = wit_component::dummy_module(
            &resolve,
            world,
            wit_parser::ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync),
        );
        wit_component::embed_component_metadata(
            &mut module,
            &resolve,
            world,
            wit_component::StringEncoding::UTF8,
            false,
        )
        .expect("the world encodes");
        let mut encoder = wit_component::ComponentEncoder::default();
        let encoder = encoder.validate(true).module(&module).expect("a module");
        encoder.encode().unwrap_or_else(|error| panic!("no component of `{name}`: {error:#}"));
    }
    assert_eq!(worlds.len(), WORLDS.len(), "a world without a test: {worlds:?}");
}
