//! `#[derive(Parameters)]`.

use crate::attributes::doc;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Expr, Field, Fields};

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(_) => {
                return Err(Error::new_spanned(input, "parameters need names: use named fields"));
            }
        },
        _ => return Err(Error::new_spanned(input, "parameters are the fields of a struct")),
    };
    let parameters =
        fields.iter().map(|field| Parameter::parse(field)).collect::<syn::Result<Vec<_>>>()?;
    let described = parameters.iter().map(Parameter::described);
    let read = parameters.iter().map(Parameter::read);
    let name = &input.ident;
    Ok(quote! {
        impl ::tidemill_sdk::Parameters for #name {
            fn describe() -> ::tidemill_sdk::private::Vec<::tidemill_sdk::Parameter> {
                ::tidemill_sdk::private::vec![#(#described),*]
            }

            fn read(
                settings: &::tidemill_sdk::Settings,
            ) -> ::core::result::Result<Self, ::tidemill_sdk::private::String> {
                ::core::result::Result::Ok(Self { #(#read),* })
            }
        }
    })
}

struct Parameter<'f> {
    field: &'f Field,
    default: Option<Expr>,
}

impl<'f> Parameter<'f> {
    fn parse(field: &'f Field) -> syn::Result<Self> {
        let mut default = None;
        for attribute in
            field.attrs.iter().filter(|attribute| attribute.path().is_ident("parameter"))
        {
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("default") {
                    return Err(meta.error("expected `default = …`"));
                }
                default = Some(meta.value()?.parse()?);
                Ok(())
            })?;
        }
        if doc(&field.attrs).is_empty() {
            return Err(Error::new_spanned(
                field,
                "say in a doc comment (`///`) what the parameter does",
            ));
        }
        Ok(Self { field, default })
    }

    fn default(&self) -> TokenStream {
        let (kind, name) = (&self.field.ty, self.name());
        match &self.default {
            Some(default) => quote! {
                ::core::option::Option::Some(::tidemill_sdk::private::typed_default::<#kind>(
                    #name,
                    ::tidemill_sdk::Value::from(#default),
                ))
            },
            None => quote!(::core::option::Option::None),
        }
    }

    fn name(&self) -> Option<String> {
        self.field.ident.as_ref().map(ToString::to_string)
    }

    fn described(&self) -> TokenStream {
        let (name, doc) = (self.name(), doc(&self.field.attrs));
        let (kind, default) = (&self.field.ty, self.default());
        quote! {
            ::tidemill_sdk::Parameter {
                name: #name,
                kind: <#kind as ::tidemill_sdk::ParameterType>::KIND,
                default: #default,
                doc: ::tidemill_sdk::private::format!(
                    "{}{}",
                    #doc,
                    <#kind as ::tidemill_sdk::ParameterType>::doc_suffix(),
                ),
            }
        }
    }

    fn read(&self) -> TokenStream {
        let (field, name, default) = (&self.field.ident, self.name(), self.default());
        quote!(#field: settings.get(#name, #default)?)
    }
}
