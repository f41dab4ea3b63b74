//! Typed parameters: from what a pipeline sets to the author's own struct.

use crate::description::{Kind, Parameter, Value};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A struct whose fields are a plugin's parameters. Derive it.
pub trait Parameters: Sized {
    /// The parameters, in the order of the fields.
    fn describe() -> Vec<Parameter>;

    /// Reads the struct from what the pipeline set, defaults included.
    ///
    /// # Errors
    /// Says which parameter cannot be used, and why.
    fn read(settings: &Settings) -> Result<Self, String>;
}

/// No parameters.
impl Parameters for () {
    fn describe() -> Vec<Parameter> {
        Vec::new()
    }

    fn read(_: &Settings) -> Result<Self, String> {
        Ok(())
    }
}

/// What an author's functions get a reference to: the parameters themselves, or something made from
/// them once for each instance (a compiled pattern, a table).
pub trait Prepare: Sized {
    /// The parameters that it is made from.
    type Parameters: Parameters;

    /// Makes it, or says to the person who applied the pipeline what is wrong with the parameters.
    ///
    /// # Errors
    /// The parameters cannot be used together, or one has no meaning.
    fn prepare(parameters: Self::Parameters) -> Result<Self, String>;
}

impl<P: Parameters> Prepare for P {
    type Parameters = P;

    fn prepare(parameters: P) -> Result<P, String> {
        Ok(parameters)
    }
}

/// The names and values that a pipeline set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Vec<(String, Value)>);

impl Settings {
    /// Reads one parameter.
    ///
    /// # Errors
    /// It is not set and has no default, or its value is not of the type.
    pub fn get<T: ParameterType>(&self, name: &str, default: Option<Value>) -> Result<T, String> {
        let set = self.0.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone());
        let value = set.or(default).ok_or_else(|| format!("parameter `{name}` is not set"))?;
        T::from_value(value).map_err(|why| format!("parameter `{name}`: {why}"))
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(settings: I) -> Self {
        let owned = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(owned.collect())
    }
}

/// A type that a parameter can have: text, integers, `f64`, `bool`, and enums that derive
/// [`Choice`](crate::Choice).
pub trait ParameterType: Sized + Into<Value> {
    /// How it is declared.
    const KIND: Kind;

    /// Reads it.
    ///
    /// # Errors
    /// Says what would have been right.
    fn from_value(value: Value) -> Result<Self, String>;

    /// What people are told beside the author's words: the choices.
    #[must_use]
    fn doc_suffix() -> String {
        String::new()
    }
}

/// A default as a value of the parameter's own kind: `default = 1` of a number is 1.0.
///
/// # Panics
/// The default is not of the parameter's type: a mistake of the author's, which any test of `describe` finds.
#[doc(hidden)]
#[must_use]
pub fn typed_default<T: ParameterType>(name: &str, default: Value) -> Value {
    match T::from_value(default) {
        Ok(value) => value.into(),
        Err(why) => panic!("the default of parameter `{name}`: {why}"),
    }
}

impl ParameterType for String {
    const KIND: Kind = Kind::Text;

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err("text expected".to_owned()),
        }
    }
}

impl ParameterType for bool {
    const KIND: Kind = Kind::Boolean;

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Boolean(value) => Ok(value),
            _ => Err("true or false expected".to_owned()),
        }
    }
}

impl ParameterType for f64 {
    const KIND: Kind = Kind::Number;

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(value) => Ok(value),
            Value::Integer(value) => Ok(value as f64),
            _ => Err("a number expected".to_owned()),
        }
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl ParameterType for $integer {
            const KIND: Kind = Kind::Integer;

            fn from_value(value: Value) -> Result<Self, String> {
                let Value::Integer(value) = value else {
                    return Err("a whole number expected".to_owned());
                };
                <$integer>::try_from(value)
                    .map_err(|_| format!("{value} is not between {} and {}", <$integer>::MIN, <$integer>::MAX))
            }
        }

        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                // A default that does not fit is caught when it is read back.
                Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
    )*};
}

integers! { i64 i32 i16 i8 u64 u32 u16 u8 }

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
