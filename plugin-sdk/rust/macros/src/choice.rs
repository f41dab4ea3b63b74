//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident};

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(input, "a choice is an enum"));
    };
    if let Some(variant) =
        data.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit))
    {
        return Err(Error::new_spanned(variant, "a choice has no fields"));
    }
    let name = &input.ident;
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    let words: Vec<String> = variants.iter().map(|variant| kebab(&variant.to_string())).collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let suffix = format!(" One of {}.", quoted.join(", "));
    let refusal = format!("`{{}}` is not one of {}", quoted.join(", "));
    Ok(quote! {
        impl ::tidemill_sdk::ParameterType for #name {
            const KIND: ::tidemill_sdk::Kind = ::tidemill_sdk::Kind::Text;

            fn from_value(
                value: ::tidemill_sdk::Value,
            ) -> ::core::result::Result<Self, ::tidemill_sdk::private::String> {
                let word = <::tidemill_sdk::private::String as ::tidemill_sdk::ParameterType>::from_value(value)?;
                match word.as_str() {
                    #(#words => ::core::result::Result::Ok(Self::#variants),)*
                    other => ::core::result::Result::Err(::tidemill_sdk::private::format!(#refusal, other)),
                }
            }

            fn doc_suffix() -> ::tidemill_sdk::private::String {
                ::tidemill_sdk::private::String::from(#suffix)
            }
        }

        impl ::core::convert::From<#name> for ::tidemill_sdk::Value {
            fn from(choice: #name) -> Self {
                Self::from(match choice {
                    #(#name::#variants => #words,)*
                })
            }
        }
    })
}

/// `RequestTime` → `request-time`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
