//! Money as whole micro-dollars, so that sums are exact.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of US dollars in whole millionths. In JSON: a number of dollars (`0.0074`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cost(i64);

impl Cost {
    /// From millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths of a dollar.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From dollars as the agents print them; `None` for a negative amount, NaN, or more than a billion.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "the range check keeps the product inside an i64")]
        (0.0..=1e9).contains(&dollars).then(|| Self((dollars * 1e6).round() as i64))
    }

    /// In dollars, for printing.
    #[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^53 micro-dollars")]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_dollars())
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::from_dollars(dollars).ok_or_else(|| de::Error::custom("expected an amount of dollars from 0 to 1e9"))
    }
}

impl utoipa::PartialSchema for Cost {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Number)
            .description(Some("US dollars, exact to a millionth"))
            .minimum(Some(0.0))
            .into()
    }
}

impl utoipa::ToSchema for Cost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_whole_micros() {
        assert_eq!(Cost::from_dollars(0.007_399_999_999_999_999), Some(Cost::from_micros(7_400)));
        for wrong in [-0.01, f64::NAN, f64::INFINITY, 2e9] {
            assert_eq!(Cost::from_dollars(wrong), None, "{wrong}");
        }
    }
}
