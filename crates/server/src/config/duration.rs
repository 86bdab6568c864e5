//! Lengths of time as settings have them: `10m`.

use std::time::Duration;

use legwork_model::quantity::parse_duration;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match duration.subsec_millis() {
        0 => serializer.collect_str(&format_args!("{}s", duration.as_secs())),
        _ => serializer.collect_str(&format_args!("{}ms", duration.as_millis())),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
