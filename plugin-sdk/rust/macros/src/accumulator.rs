//! `#[derive(Accumulator)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields};

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(input, "an accumulator is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(input, "an accumulator has named fields"));
    };
    let (name, generics) = (&input.ident, input.generics.split_for_impl());
    let (implement, arguments, conditions) = generics;
    let fields: Vec<_> = fields.named.iter().map(|field| (&field.ident, &field.ty)).collect();
    let (names, types): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    Ok(quote! {
        impl #implement ::tidemill_sdk::Accumulator for #name #arguments #conditions {
            const BYTES_EXPECTED: usize = 0 #(+ <#types as ::tidemill_sdk::Accumulator>::BYTES_EXPECTED)*;

            #[inline]
            fn encode(&self, out: &mut ::tidemill_sdk::private::Vec<u8>) {
                #(::tidemill_sdk::Accumulator::encode(&self.#names, out);)*
            }

            #[inline]
            fn decode_from(bytes: &mut &[u8]) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self {
                    #(#names: ::tidemill_sdk::Accumulator::decode_from(bytes)?,)*
                })
            }
        }
    })
}
