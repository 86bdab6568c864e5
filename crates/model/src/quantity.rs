//! Amounts as people write them: sizes of memory and disks, shares of processors, lengths of time. The same
//! notation as in Kubernetes manifests, which is what container files of projects are written in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// Why something is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is no size.
    #[error("`{0}` is not a size; write bytes or a number with Ki, Mi, Gi, Ti, k, M, G or T, such as `512Mi` or `2Gi`")]
    Size(String),
    /// It is no share of processors.
    #[error("`{0}` is not a number of processors; write one such as `2`, `0.5` or `500m`")]
    Cpus(String),
    /// It is no length of time.
    #[error("`{0}` is not a length of time; write a number with ms, s, m, h or d, such as `600s` or `10m`")]
    Time(String),
    /// It is a part of a second.
    #[error("`{0}` is not a whole number of seconds")]
    Fraction(String),
    /// It is nothing at all.
    #[error("an amount of zero would let nothing run")]
    Zero,
}

/// Bytes of memory or disk; more than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "2Gi")]
pub struct ByteSize(u64);

/// Processors, in thousandths; more than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "1.5")]
pub struct Cpus(u32);

/// A length of time in whole seconds, possibly none. Read from a number of seconds, or from a text such as `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

const SIZES: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl ByteSize {
    /// So many bytes; nothing for none.
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes == 0 { None } else { Some(Self(bytes)) }
    }

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Cpus {
    /// So many thousandths of a processor; nothing for none.
    pub const fn new(millis: u32) -> Option<Self> {
        if millis == 0 { None } else { Some(Self(millis)) }
    }

    /// Thousandths of a processor.
    pub const fn millis(self) -> u32 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit = SIZES.iter().find(|(unit, _)| text.ends_with(unit));
        let (number, factor) = unit.map_or((text, 1), |(unit, factor)| (&text[..text.len() - unit.len()], *factor));
        let bytes = scaled(number, factor).ok_or_else(|| QuantityError::Size(text.to_owned()))?;
        Self::new(bytes).ok_or(QuantityError::Zero)
    }
}

impl FromStr for Cpus {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = text.strip_suffix('m').map_or_else(|| scaled(text, 1_000), |number| scaled(number, 1));
        let millis = millis.and_then(|millis| u32::try_from(millis).ok());
        Self::new(millis.ok_or_else(|| QuantityError::Cpus(text.to_owned()))?).ok_or(QuantityError::Zero)
    }
}

/// Reads a length of time, such as `600s`.
///
/// # Errors
/// Where it is none, or no time at all.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let wrong = || QuantityError::Time(text.to_owned());
    let (unit, factor) = TIMES.iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wrong)?;
    match scaled(&text[..text.len() - unit.len()], *factor).ok_or_else(wrong)? {
        0 => Err(QuantityError::Zero),
        millis => Ok(Duration::from_millis(millis)),
    }
}

/// A decimal number, times `factor`, where that is a whole number: no sign, no exponent, no spaces.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let unit = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor);
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(factor);
    (parts % u128::from(unit) == 0).then(|| whole + parts / u128::from(unit)).and_then(|sum| u64::try_from(sum).ok())
}

impl FromStr for Seconds {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = match parse_duration(text) {
            Err(QuantityError::Zero) => Duration::ZERO,
            parsed => parsed?,
        };
        let is_whole = time.subsec_nanos() == 0;
        is_whole.then_some(Self(time.as_secs())).ok_or_else(|| QuantityError::Fraction(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SIZES.iter().take(4).rev().find(|(_, factor)| self.0.is_multiple_of(*factor));
        match whole {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) { write!(f, "{}", self.0 / 1_000) } else { write!(f, "{}m", self.0) }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenSeconds)
    }
}

struct WrittenSeconds;

impl de::Visitor<'_> for WrittenSeconds {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds such as 600, or a length of time such as \"10m\"")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(seconds))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
        text.parse().map_err(E::custom)
    }
}

impl utoipa::PartialSchema for Seconds {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{SchemaType, Type};
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
            .description(Some("A length of time: seconds, or a number with s, m, h or d such as `10m`"))
            .examples([serde_json::json!("10m")])
            .into()
    }
}

impl ToSchema for Seconds {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_kubernetes_reads_them() {
        let table = [
            ("2Gi", 2 << 30),
            ("512Mi", 512 << 20),
            ("1.5Gi", 3 << 29),
            ("64Ki", 64 << 10),
            ("1M", 1_000_000),
            ("1.5k", 1_500),
            ("1073741824", 1 << 30),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse::<ByteSize>().map(ByteSize::bytes), Ok(bytes), "{text}");
        }
        for text in ["", "Gi", "-1", "1e3", "2gb", "2 Gi", " 2Gi", "2Gi\n", "0.0001", "99999999999Ti", "NaN", "inf"] {
            assert_eq!(text.parse::<ByteSize>(), Err(QuantityError::Size(text.to_owned())), "{text}");
        }
        assert_eq!("0".parse::<ByteSize>(), Err(QuantityError::Zero));
    }

    #[test]
    fn processors_are_whole_parts_or_thousandths() {
        for (text, millis) in [("2", 2_000), ("0.5", 500), ("1.25", 1_250), ("500m", 500)] {
            assert_eq!(text.parse::<Cpus>().map(Cpus::millis), Ok(millis), "{text}");
        }
        for text in ["", "m", "-1", "0.0001", "1e3", "two", "5000000"] {
            assert!(matches!(text.parse::<Cpus>(), Err(QuantityError::Cpus(_))), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_need_a_unit() {
        for (text, seconds) in [("600s", 600), ("10m", 600), ("1.5h", 5_400), ("1d", 86_400), ("2000ms", 2)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "600", "s", "-1s", "ten m"] {
            assert!(matches!(parse_duration(text), Err(QuantityError::Time(_))), "{text}");
        }
    }

    #[test]
    fn seconds_are_a_number_or_a_length_of_time() {
        for (json, seconds) in [("600", 600), ("0", 0), ("\"10m\"", 600), ("\"30d\"", 2_592_000), ("\"0s\"", 0)] {
            assert_eq!(serde_json::from_str::<Seconds>(json).ok(), Some(Seconds(seconds)), "{json}");
        }
        for wrong in ["-1", "1.5", "null", "[]", "\"600\"", "\"1500ms\"", "\"soon\""] {
            assert!(serde_json::from_str::<Seconds>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_amount_is_written_as_it_is_read() {
        for text in ["2Gi", "1536Mi", "1000", "3Ti"] {
            assert_eq!(text.parse::<ByteSize>().map(|size| size.to_string()), Ok(text.to_owned()));
        }
        for text in ["2", "500m", "1250m"] {
            assert_eq!(text.parse::<Cpus>().map(|cpus| cpus.to_string()), Ok(text.to_owned()));
        }
    }
}
