//! The arguments of the attribute macros, and doc comments.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Path, Token, meta};

/// `name = "…", reads(…), ports(…), state_version = …, migrate = …`.
#[derive(Default)]
pub struct Arguments {
    pub name: Option<LitStr>,
    pub reads: Vec<Ident>,
    pub ports: Vec<LitStr>,
    pub state_version: Option<LitInt>,
    pub migrate: Option<Path>,
}

impl Arguments {
    pub fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let parser = meta::parser(|meta| {
            if meta.path.is_ident("name") {
                let name: LitStr = meta.value()?.parse()?;
                check_name(&name)?;
                arguments.name = Some(name);
            } else if meta.path.is_ident("reads") {
                meta.parse_nested_meta(|part| {
                    arguments.reads.push(part.path.require_ident()?.clone());
                    Ok(())
                })?;
            } else if meta.path.is_ident("ports") {
                let content;
                syn::parenthesized!(content in meta.input);
                arguments.ports = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?
                    .into_iter()
                    .collect();
            } else if meta.path.is_ident("state_version") {
                arguments.state_version = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("migrate") {
                arguments.migrate = Some(meta.value()?.parse()?);
            } else {
                return Err(
                    meta.error("expected `name`, `reads`, `ports`, `state_version` or `migrate`")
                );
            }
            Ok(())
        });
        parser.parse2(tokens)?;
        Ok(arguments)
    }

    /// The parts read, as a constant expression.
    pub fn reads(&self) -> syn::Result<TokenStream> {
        let mut parts = quote!(::tidemill_sdk::Parts::NONE);
        for part in &self.reads {
            let constant = match part.to_string().as_str() {
                "keys" => quote!(KEYS),
                "values" => quote!(VALUES),
                "headers" => quote!(HEADERS),
                "timestamps" => quote!(TIMESTAMPS),
                _ => {
                    return Err(Error::new(
                        part.span(),
                        "expected `keys`, `values`, `headers` or `timestamps`",
                    ));
                }
            };
            parts = quote!(#parts.and(::tidemill_sdk::Parts::#constant));
        }
        Ok(parts)
    }
}

fn check_name(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    let words_are_right = text.split('-').all(|word| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    });
    if words_are_right {
        return Ok(());
    }
    Err(Error::new(
        name.span(),
        "a plugin's name is lower case, words joined by `-`: `split-words`",
    ))
}

/// The doc comment, its lines joined by spaces.
pub fn doc(attributes: &[Attribute]) -> String {
    doc_lines(attributes).join(" ").trim().to_owned()
}

/// The first paragraph of the doc comment, its lines joined by spaces.
pub fn summary(attributes: &[Attribute]) -> String {
    let lines = doc_lines(attributes);
    let paragraph: Vec<&str> =
        lines.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

fn doc_lines(attributes: &[Attribute]) -> Vec<String> {
    let text = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}
