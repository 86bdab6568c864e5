//! Money as whole micro-dollars, so that sums are exact.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of US dollars: expected one such as `$5.00` or `0.25`, without separators, from 0 to 1000000000"
)]
pub struct InvalidCost(String);

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

impl FromStr for Cost {
    type Err = InvalidCost;

    /// Reads `$5.00`, `5` or `0.25`; what is finer than a millionth is refused, not rounded.
    fn from_str(text: &str) -> Result<Self, InvalidCost> {
        let invalid = || InvalidCost(text.to_owned());
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
