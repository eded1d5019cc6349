//! Values as they are written in an assertion.

use crate::testing::AttributeValue;

macro_rules! values {
    ($($ty:ty => |$value:ident| $made:expr,)*) => {$(
        impl From<$ty> for AttributeValue {
            fn from($value: $ty) -> Self {
                $made
            }
        }
    )*};
}

values! {
    i64 => |value| Self::Int(value),
    i32 => |value| Self::Int(value.into()),
    f64 => |value| Self::Double(value),
    bool => |value| Self::Bool(value),
    &str => |value| Self::String(value.to_owned()),
    String => |value| Self::String(value),
    &String => |value| Self::String(value.clone()),
}

impl<const N: usize> From<[&str; N]> for AttributeValue {
    fn from(values: [&str; N]) -> Self {
        Self::Strings(values.map(str::to_owned).to_vec())
    }
}
