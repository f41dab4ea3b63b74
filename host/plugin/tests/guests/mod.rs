//! Plugins written by hand in WebAssembly text, honest and hostile.
//!
//! A guest is a core module whose results are laid out in its data segment beforehand; what its
//! functions do is a few instructions. `wit-component` makes a component of it, for the worlds in
//! the repository's `wit/` folder.
#![allow(dead_code, reason = "no test file uses all of it")]

mod image;
pub mod marked;

use std::sync::Arc;

use tidemill_plugin::{
    CallContext, Grants, Limits, LoadError, Operator, Plugin, Runtime, RuntimeConfig, Settings,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

#[allow(unused_imports, reason = "no test file uses all of it")]
pub use image::{Col, Image, Outcome, ptr_len};

/// The call that the tests make.
pub const CX: CallContext<'static> =
    CallContext { pipeline: "orders", batch: 7, task: 3, time_ms: 1_700_000_000_123 };

/// A runtime for tests: small, without a cache.
pub fn runtime() -> Arc<Runtime> {
    Runtime::new(RuntimeConfig { instances_max: 16, ..RuntimeConfig::default() }).unwrap()
}

pub fn load(component: &[u8]) -> Result<Arc<Plugin>, LoadError> {
    runtime().load(component, &Grants::none())
}

pub fn operator(component: &[u8], limits: Limits) -> Operator {
    load(component).unwrap().operator("split", &Settings::new(), limits).unwrap()
}

/// A plugin in the making.
pub struct Guest {
    world: &'static str,
    pub image: Image,
    /// WIT of packages beside the contract's, and import lines of the world.
    packages: Vec<&'static str>,
    world_imports: String,
    core_imports: String,
    core_items: String,
    functions: String,
    describe: String,
    configure: String,
    post_return: String,
    realloc: String,
}

/// Takes memory from the end of the image on.
const REALLOC: &str = "
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
  (global.set $heap (i32.add (local.get $at) (local.get 3)))
  (local.get $at)";

impl Guest {
    fn new(world: &'static str) -> Self {
        let mut image = Image::default();
        let describe = image.description("guest", "1.0.0", 0b1111, &[]);
        let configured = image.words(&[0, 0, 0]);
        Self {
            world,
            image,
            packages: Vec::new(),
            world_imports: String::new(),
            core_imports: String::new(),
            core_items: String::new(),
            functions: String::new(),
            describe: format!("i32.const {describe}"),
            configure: format!("i32.const {configured}"),
            post_return: "(call $reset)".to_owned(),
            realloc: REALLOC.to_owned(),
        }
    }

    /// A transform whose `process` is `body`, which leaves the address of its result.
    pub fn transform(body: &str) -> Self {
        Self::laid_out(|_| body.to_owned())
    }

    /// A transform whose `process` is what `body` makes of the image.
    pub fn laid_out(body: impl FnOnce(&mut Image) -> String) -> Self {
        let mut guest = Self::new("transform");
        let body = body(&mut guest.image);
        guest.function("transformer", "process", "(param $batch i32)", &body)
    }

    /// A transform that does `first` in every call and then gives back `outcome`.
    pub fn doing(first: &str, outcome: &Outcome) -> Self {
        Self::laid_out(|image| format!("{first} i32.const {}", image.outcome(outcome)))
    }

    /// A transform that always gives back `outcome`.
    pub fn giving(outcome: &Outcome) -> Self {
        Self::doing("", outcome)
    }

    /// A transform that always gives back a result of these words, the first being its case.
    pub fn giving_words(make: impl FnOnce(&mut Image) -> Vec<u32>) -> Self {
        Self::laid_out(|image| {
            let words = make(image);
            format!("i32.const {}", image.words(&words))
        })
    }

    /// A filter that always gives back `bitmap`.
    pub fn filter(bitmap: &[u8]) -> Self {
        let mut guest = Self::new("filter");
        let [start, length] = guest.image.bytes(bitmap);
        let address = guest.image.words(&[0, start, length]);
        guest.function("predicate", "keep", "(param i32)", &format!("i32.const {address}"))
    }

    /// A reducer that always gives back `accumulators`, and finishes with them as values.
    pub fn reducer(accumulators: &Col) -> Self {
        let mut guest = Self::new("reducer");
        let column = guest.image.column(accumulators);
        let folded = guest.image.words(&[&[0], column.as_slice()].concat());
        let nothing = [0; 6];
        let finished =
            guest.image.words(&[&[0], &nothing[..], &column, &nothing, &[0, 0]].concat());
        let params = |count: usize| format!("(param{})", " i32".repeat(count));
        let folded = format!("i32.const {folded}");
        guest
            .function("reduction", "fold", &params(16), &folded)
            .function("reduction", "merge", &params(12), &folded)
            .function("reduction", "finish", &params(14), &format!("i32.const {finished}"))
    }

    /// Exports a function of the contract.
    pub fn function(mut self, interface: &str, name: &str, params: &str, body: &str) -> Self {
        self.functions += &format!(
            "(func (export \"tidemill:plugin/{interface}@0.1.0#{name}\") {params} (result i32) {body})\n"
        );
        self
    }

    /// What a transform does when its result has been read; otherwise it frees all it has.
    pub fn post_return(mut self, body: &str) -> Self {
        body.clone_into(&mut self.post_return);
        self
    }

    /// Imports an interface: its package's WIT, its name, and the core functions it becomes.
    pub fn import(mut self, package: &'static str, interface: &str, core: &str) -> Self {
        if !package.is_empty() && !self.packages.contains(&package) {
            self.packages.push(package);
        }
        self.world_imports += &format!("import {interface};\n");
        self.core_imports += core;
        self
    }

    /// Adds anything to the core module: globals, functions, a start function.
    pub fn with(mut self, items: &str) -> Self {
        self.core_items += items;
        self
    }

    /// Describes itself as another plugin.
    pub fn described(mut self, describe: impl FnOnce(&mut Image) -> u32) -> Self {
        let address = describe(&mut self.image);
        self.describe = format!("i32.const {address}");
        self
    }

    pub fn describe_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.describe);
        self
    }

    pub fn configure_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.configure);
        self
    }

    /// Refuses its settings with `message`.
    pub fn refusing(mut self, message: &str) -> Self {
        let [start, length] = self.image.bytes(message.as_bytes());
        self.configure = format!("i32.const {}", self.image.words(&[1, start, length]));
        self
    }

    /// Allocates by `body` instead.
    pub fn realloc(mut self, body: &str) -> Self {
        body.clone_into(&mut self.realloc);
        self
    }

    pub fn build(&self) -> Vec<u8> {
        self.encode(true)
    }

    /// A component that `wit-component` itself would find fault with.
    pub fn build_unchecked(&self) -> Vec<u8> {
        self.encode(false)
    }

    fn encode(&self, validate: bool) -> Vec<u8> {
        let text = self.text();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut resolve = Resolve::default();
        // Tests run in their package's folder, which need not be the one that they were compiled in.
        resolve.push_dir("../../wit").unwrap();
        for (number, package) in self.packages.iter().enumerate() {
            resolve.push_str(format!("package{number}.wit"), package).unwrap();
        }
        let world = format!(
            "package test:guest;\nworld guest {{\ninclude tidemill:plugin/{}@0.1.0;\n{}}}\n",
            self.world, self.world_imports
        );
        let package = resolve.push_str("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.validate(validate).module(&module).unwrap().encode().unwrap()
    }

    /// The core module.
    fn text(&self) -> String {
        let Self { core_imports, core_items, functions, describe, configure, realloc, .. } = self;
        let (data, heap) = (self.image.escaped(), self.image.end());
        let post_return = match self.world {
            "transform" => format!(
                "(func (export \"cabi_post_tidemill:plugin/transformer@0.1.0#process\") (param i32) {})",
                self.post_return
            ),
            _ => String::new(),
        };
        format!(
            r#"(module
{core_imports}
(memory (export "memory") 64)
(data (i32.const {start}) "{data}")
(global $heap (mut i32) (i32.const {heap}))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
  {realloc})
(func $reset (global.set $heap (i32.const {heap})))
(func (export "tidemill:plugin/definition@0.1.0#describe") (result i32) {describe})
(func (export "tidemill:plugin/definition@0.1.0#configure") (param i32 i32) (result i32)
  (call $reset) {configure})
{core_items}
{functions}
{post_return})"#,
            start = image::START,
        )
    }
}

/// An error and its causes, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain += &format!(": {error}");
        cause = error.source();
    }
    chain
}
