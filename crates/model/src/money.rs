//! Money as whole micro-dollars, so that sums are exact.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of US dollars: expected one such as `$5.00` or `0.25`, without separators, with at most 6 decimals, from 0 to 1000000000"
)]
pub struct InvalidCost(String);

/// An amount of US dollars in whole millionths. In JSON: a number of dollars (`0.0074`); read from a text such as `"$5.00"`,
/// too.
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

impl FromStr for Cost {
    type Err = InvalidCost;

    /// Reads `$5.00`, `5` or `0.25`; what is finer than a millionth is refused, not rounded.
    fn from_str(text: &str) -> Result<Self, InvalidCost> {
        let invalid = || InvalidCost(text.chars().filter(|one| !one.is_control()).take(40).collect());
        let amount = text.trim();
        let amount = amount.strip_prefix('$').unwrap_or(amount);
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 6 {
            return Err(invalid());
        }
        let dollars: i64 = whole.parse().map_err(|_| invalid())?;
        let micros: i64 = format!("{fraction:0<6}").parse().map_err(|_| invalid())?;
        let total = dollars.checked_mul(1_000_000).and_then(|whole| whole.checked_add(micros));
        total.filter(|total| *total <= 1_000_000_000_000_000).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for Cost {
    /// `$5.00`; with as many more digits as there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, micros) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let fraction = format!("{micros:06}");
        write!(f, "{sign}${whole}.{:0<2}", fraction.trim_end_matches('0'))
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_dollars())
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads an amount as people write it: a number of dollars, or a text.
struct Written;

impl de::Visitor<'_> for Written {
    type Value = Cost;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of US dollars such as 5 or \"$5.00\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cost, E> {
        text.parse().map_err(E::custom)
    }

    #[expect(clippy::cast_precision_loss, reason = "what is too large for it is refused")]
    fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Cost, E> {
        self.visit_f64(dollars as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "what is too large for it is refused")]
    fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Cost, E> {
        self.visit_f64(dollars as f64)
    }

    fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Cost, E> {
        let exact = Cost::from_dollars(dollars).filter(|cost| {
            // As near as numbers of that size can be to a whole millionth.
            let micros = dollars * 1e6;
            (micros - micros.round()).abs() <= 1e-6 + cost.as_dollars() * 1e6 * 2.0 * f64::EPSILON
        });
        exact.ok_or_else(|| E::custom(InvalidCost(format!("{dollars:?}"))))
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

/// An amount of US dollars as callers may write it. Stands in the API's description for [`Cost`] where that is read.
#[derive(Debug)]
pub struct WrittenCost;

impl utoipa::PartialSchema for WrittenCost {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{SchemaType, Type};
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::String]))
            .description(Some("US dollars, exact to a millionth: `5`, `0.25` or `\"$5.00\"`"))
            .examples([serde_json::json!("$5.00")])
            .into()
    }
}

impl utoipa::ToSchema for WrittenCost {}

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

    #[test]
    fn in_json_it_is_a_number_or_a_text() {
        let read = |json: &str| serde_json::from_str::<Cost>(json).map_err(|error| error.to_string());
        for (json, micros) in [
            ("5", 5_000_000),
            ("0.1", 100_000),
            ("1e3", 1_000_000_000),
            ("\"$5.00\"", 5_000_000),
            ("\"0.25\"", 250_000),
            ("0.3", 300_000),
            ("999999999.999999", 999_999_999_999_999),
        ] {
            assert_eq!(read(json), Ok(Cost::from_micros(micros)), "{json}");
        }
        for wrong in [
            "-1",
            "-0.01",
            "0.0000001",
            "5.1234567",
            "2e9",
            "\"1,000\"",
            "\"NaN\"",
            "\"-1\"",
            "\"1e3\"",
            "99999999999999999999",
        ] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.contains("is not an amount of US dollars"), "{wrong}: {error}");
        }
        for wrong in ["null", "true", "{}", "[5]"] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.contains("expected an amount of US dollars such as 5"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (text, micros) in [
            ("$5.00", 5_000_000),
            ("5", 5_000_000),
            ("0.000001", 1),
            (" $0.25 ", 250_000),
            ("1000000000", 1_000_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Cost::from_micros(micros)), "{text}");
        }
        for wrong in [
            "",
            "$",
            "-1",
            "$-1",
            "1,000",
            "1e3",
            "NaN",
            "inf",
            "5.",
            ".5",
            "0.0000001",
            "1000000001",
            "99999999999999999999",
            "5 $",
            "€5",
        ] {
            assert!(wrong.parse::<Cost>().is_err(), "{wrong}");
        }
        assert_eq!(
            ["5", "0.1", "0.123456"].map(|text| text.parse::<Cost>().expect("an amount").to_string()),
            ["$5.00", "$0.10", "$0.123456"]
        );
    }
}
