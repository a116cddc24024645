//! Values bound to statements. There are three types, as in the tables: text, integer, bytes.

use portolan_model::{
    ApiKeyId, ArchiveId, ClusterId, EventId, InvitationId, JobId, MigrationId, OrgId, ProjectId,
    RequestId, SecretId, ServiceAccountId, TeamId, UserId,
};
use sqlx::Arguments;
use sqlx::any::AnyArguments;

use crate::StoreError;

/// A value; `None` is NULL of that type (PostgreSQL wants to know it).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// TEXT.
    Text(Option<String>),
    /// BIGINT.
    Int(Option<i64>),
    /// Bytes.
    Blob(Option<Vec<u8>>),
}

/// What can be bound.
pub trait ToValue {
    /// The value.
    fn to_value(&self) -> Value;
    /// NULL of its type.
    fn null() -> Value
    where
        Self: Sized,
    {
        Value::Text(None)
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(Some(self.to_owned()))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::Text(Some(self.clone()))
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value {
        Value::Blob(Some(self.to_vec()))
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value {
        Value::Blob(Some(self.to_vec()))
    }

    fn null() -> Value {
        Value::Blob(None)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value {
        Value::Blob(Some(self.clone()))
    }

    fn null() -> Value {
        Value::Blob(None)
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }

    fn null() -> Value {
        // `T` may be unsized here; of the unsized ones only text is ever optional.
        Value::Text(None)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or_else(T::null, ToValue::to_value)
    }

    fn null() -> Value {
        T::null()
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToValue for $type {
            fn to_value(&self) -> Value {
                Value::Int(Some(i64::from(*self)))
            }

            fn null() -> Value {
                Value::Int(None)
            }
        }
    )*};
}

integers!(i64, i32, u32, u16, bool);

macro_rules! ids {
    ($($type:ty),*) => {$(
        impl ToValue for $type {
            fn to_value(&self) -> Value {
                Value::Text(Some(self.to_string()))
            }
        }
    )*};
}

ids!(
    ApiKeyId,
    ArchiveId,
    ClusterId,
    EventId,
    InvitationId,
    JobId,
    MigrationId,
    OrgId,
    ProjectId,
    RequestId,
    SecretId,
    ServiceAccountId,
    TeamId,
    UserId
);

/// The arguments of a statement: `args![id, name]`, in the order of `$1`, `$2` ….
#[macro_export]
macro_rules! args {
    () => { ::std::vec::Vec::<$crate::Value>::new() };
    ($($value:expr),+ $(,)?) => {
        ::std::vec![$($crate::ToValue::to_value(&$value)),+]
    };
}

/// `($4, $5, $6)` for three values that follow three others. An empty list gives `(NULL)`, which
/// nothing is in.
#[must_use]
pub fn in_list(already_bound: usize, count: usize) -> String {
    if count == 0 {
        return "(NULL)".to_owned();
    }
    let marks: Vec<String> =
        (already_bound + 1..=already_bound + count).map(|n| format!("${n}")).collect();
    format!("({})", marks.join(", "))
}

pub(crate) fn bind(values: Vec<Value>) -> Result<AnyArguments, StoreError> {
    let mut arguments = AnyArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Blob(bytes) => arguments.add(bytes),
        }
        .map_err(|error| StoreError::Internal { operation: "bind", detail: error.to_string() })?;
    }
    Ok(arguments)
}
