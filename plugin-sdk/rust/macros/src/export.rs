//! From an author's function or `impl` to the type that stands for the plugin, and its exports.

use crate::attributes::{Arguments, summary};
use crate::world::{self, World};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, FnArg, ItemFn, ItemImpl, Type, Visibility};

pub fn transform(arguments: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let settings =
        settings_of(function, 3, "fn(settings: &Settings, record: Record, out: &mut Emitter)")?;
    let plugin = stateless(Arguments::parse(arguments)?, function, settings)?;
    let name = &function.sig.ident;
    let bindings = world::bindings(World::Transform);
    Ok(quote! {
        #[inline(always)]
        #function
        #plugin
        impl ::tidemill_sdk::plugin::Transform for Plugin {
            #[inline(always)]
            fn transform(
                settings: &Self::Settings,
                record: ::tidemill_sdk::Record<'_>,
                out: &mut ::tidemill_sdk::Emitter<'_>,
            ) -> ::core::result::Result<(), ::tidemill_sdk::Refusal> {
                ::tidemill_sdk::plugin::Verdict::verdict(#name(settings, record, out))
            }
        }
        #bindings
    })
}

pub fn filter(arguments: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let settings = settings_of(function, 2, "fn(settings: &Settings, record: Record) -> bool")?;
    let plugin = stateless(Arguments::parse(arguments)?, function, settings)?;
    let name = &function.sig.ident;
    let bindings = world::bindings(World::Filter);
    Ok(quote! {
        #[inline(always)]
        #function
        #plugin
        impl ::tidemill_sdk::plugin::Filter for Plugin {
            #[inline(always)]
            fn keep(
                settings: &Self::Settings,
                record: ::tidemill_sdk::Record<'_>,
            ) -> ::core::result::Result<bool, ::tidemill_sdk::Failure> {
                ::tidemill_sdk::plugin::Decision::decision(#name(settings, record))
            }
        }
        #bindings
    })
}

pub fn reducer(arguments: TokenStream, implementation: &ItemImpl) -> syn::Result<TokenStream> {
    let arguments = Arguments::parse(arguments)?;
    let migrate = arguments.migrate.clone();
    let plugin =
        plugin(arguments, &Visibility::Inherited, &implementation.attrs, &implementation.self_ty)?;
    let bindings = match migrate {
        None => world::bindings(World::Reducer),
        Some(_) => world::bindings(World::MigratingReducer),
    };
    let migration = migrate.map(|migrate| {
        quote! {
            impl ::tidemill_sdk::plugin::Migrate for Plugin {
                fn migrate(
                    from_version: u32,
                    state: &[u8],
                ) -> ::core::result::Result<::tidemill_sdk::plugin::AccumulatorOf<Self>, ::tidemill_sdk::Failure> {
                    #migrate(from_version, state)
                }
            }
        }
    });
    Ok(quote! {
        #implementation
        #plugin
        #migration
        #bindings
    })
}

/// The type `T` of the first parameter, `&T`.
fn settings_of<'f>(function: &'f ItemFn, inputs: usize, wanted: &str) -> syn::Result<&'f Type> {
    let wrong = || Error::new_spanned(&function.sig, format!("expected `{wanted}`"));
    if function.sig.inputs.len() != inputs || !function.sig.generics.params.is_empty() {
        return Err(wrong());
    }
    match function.sig.inputs.first() {
        Some(FnArg::Typed(first)) => match first.ty.as_ref() {
            Type::Reference(reference) => Ok(&reference.elem),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn stateless(arguments: Arguments, function: &ItemFn, settings: &Type) -> syn::Result<TokenStream> {
    if let Some(migrate) = &arguments.migrate {
        return Err(Error::new_spanned(migrate, "only reducers have state to migrate"));
    }
    plugin(arguments, &function.vis, &function.attrs, settings)
}

/// The type that stands for the plugin, as visible as what it was made from.
fn plugin(
    arguments: Arguments,
    visibility: &Visibility,
    attributes: &[Attribute],
    settings: &Type,
) -> syn::Result<TokenStream> {
    let summary = summary(attributes);
    if summary.is_empty() {
        let message =
            "say in a doc comment (`///`) what the plugin does: people choose it by that line";
        return Err(Error::new_spanned(settings, message));
    }
    let reads = arguments.reads()?;
    let name =
        arguments.name.map_or_else(|| quote!(::core::env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let ports = arguments.ports;
    let state_version =
        arguments.state_version.map_or_else(|| quote!(0), |version| quote!(#version));
    let doc = format!("The plugin: {summary}");
    Ok(quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #visibility struct Plugin;

        // Natively only tests name it: it is used all the same.
        const _: fn() -> ::tidemill_sdk::Description = <Plugin as ::tidemill_sdk::plugin::Plugin>::describe;

        impl ::tidemill_sdk::plugin::Plugin for Plugin {
            type Settings = #settings;
            const NAME: &'static str = #name;
            const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
            const SUMMARY: &'static str = #summary;
            const READS: ::tidemill_sdk::Parts = #reads;
            const PORTS: &'static [&'static str] = &[#(#ports),*];
            const STATE_VERSION: u32 = #state_version;

            fn slot() -> &'static ::tidemill_sdk::plugin::Slot<Self::Settings> {
                static SLOT: ::tidemill_sdk::plugin::Slot<#settings> = ::tidemill_sdk::plugin::Slot::new();
                &SLOT
            }
        }
    })
}
