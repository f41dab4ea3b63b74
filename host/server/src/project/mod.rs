//! Plugin projects: `tidemill plugin new` makes one, `tidemill plugin build` turns it into a component.
//!
//! Templates, SDKs and the contract are embedded in the binary (`build.rs` beside this crate's manifest), and a
//! project carries a copy of its SDK in `sdk/`: **nothing but this binary and the language's own tools is
//! needed, and a project builds the same after the binary was updated.** A language is told by its own files.

mod language;
mod name;
mod world;
mod embedded;
mod template;
mod create;
mod manifest;
mod contract;
mod build;
mod error;

pub use build::{Built, build};
pub use create::{Created, create};
pub use error::ProjectError;
pub use language::Language;
pub use name::ProjectName;
pub use template::worlds_of;
pub use world::World;
