//! Days and months as they are lived in a time zone.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// The zones that are built in, and not the machine's: all nodes have to agree when a day begins.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`; use a name of the IANA's such as `UTC` or `Europe/Berlin`")]
pub struct InvalidZone(String);

/// A time zone by its name at the IANA, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "Europe/Berlin")]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone without summer and winter.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The names of all zones.
    pub fn names() -> Vec<String> {
        ZONES.available().map(|name| name.to_string()).collect()
    }

    /// The day that `at` is in, such as `2026-03-01`.
    pub fn day(&self, at: Timestamp) -> String {
        self.zoned(at).date().to_string()
    }

    /// Noon of a day that is written like `2026-03-01`.
    pub fn noon(&self, day: &str) -> Option<Timestamp> {
        let date: Date = day.parse().ok()?;
        moment(date.at(12, 0, 0, 0).to_zoned(self.0.clone()))
    }

    /// When the day that `at` is in begins.
    pub fn day_start(&self, at: Timestamp) -> Timestamp {
        Period::Day.start(self, at)
    }

    /// When the day after the one that `at` is in begins.
    pub fn next_day(&self, at: Timestamp) -> Timestamp {
        Period::Day.end(self, at).unwrap_or(at)
    }

    /// A time that no calendar reaches is taken for the epoch.
    fn zoned(&self, at: Timestamp) -> Zoned {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(self.0.clone())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(name: &str) -> Result<Self, InvalidZone> {
        ZONES.get(name).map(Self).map_err(|_| InvalidZone(name.chars().take(64).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A stretch of the calendar after which counting begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
    /// For ever.
    Total,
}

impl Period {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The period named so; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == name)
    }

    /// When the one that `at` is in began; the epoch for the one without an end.
    pub fn start(self, zone: &Zone, at: Timestamp) -> Timestamp {
        let here = zone.zoned(at);
        match self {
            Self::Day => moment(here.start_of_day()),
            Self::Month => moment(here.first_of_month().and_then(|first| first.start_of_day())),
            Self::Total => None,
        }
        .unwrap_or(Timestamp::from_millis(0))
    }

    /// When the next one begins; never for the one without an end.
    pub fn end(self, zone: &Zone, at: Timestamp) -> Option<Timestamp> {
        let here = zone.zoned(at);
        match self {
            Self::Day => moment(here.tomorrow().and_then(|next| next.start_of_day())),
            Self::Month => moment(here.last_of_month().and_then(|last| last.tomorrow()?.start_of_day())),
            Self::Total => None,
        }
    }
}

fn moment(zoned: Result<Zoned, jiff::Error>) -> Option<Timestamp> {
    zoned.ok().map(|zoned| Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn span(period: Period, zone: &str, now: &str) -> (String, Option<String>) {
        let zone: Zone = zone.parse().expect("a zone");
        let end = period.end(&zone, at(now)).map(|end| end.to_string());
        (period.start(&zone, at(now)).to_string(), end)
    }

    #[test]
    fn days_and_months_begin_at_midnight_of_their_zone() {
        for (period, zone, now, start, end) in [
            (Period::Day, "UTC", "2026-03-01T12:00:00Z", "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"),
            (Period::Day, "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z"),
            (Period::Month, "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
            // The day on which the clocks go forward has 23 hours.
            (
                Period::Day,
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00.000Z",
                "2026-03-29T22:00:00.000Z",
            ),
            (
                Period::Month,
                "Asia/Kathmandu",
                "2026-02-28T18:30:00Z",
                "2026-02-28T18:15:00.000Z",
                "2026-03-31T18:15:00.000Z",
            ),
        ] {
            assert_eq!(span(period, zone, now), (start.to_owned(), Some(end.to_owned())), "{period:?} {zone} {now}");
        }
        assert_eq!(span(Period::Total, "UTC", "2026-03-01T12:00:00Z"), ("1970-01-01T00:00:00.000Z".to_owned(), None));
    }

    #[test]
    fn a_zone_has_one_spelling_and_a_day_its_name() {
        let zone: Zone = "europe/berlin".parse().expect("a zone");
        assert_eq!((zone.name(), Zone::utc().name()), ("Europe/Berlin", "UTC"));
        assert_eq!(zone.day(at("2026-02-28T23:30:00Z")), "2026-03-01");
        assert_eq!(zone.noon("2026-03-01").map(|noon| noon.to_string()).as_deref(), Some("2026-03-01T11:00:00.000Z"));
        assert_eq!((zone.noon("2026-02-30"), zone.noon("tomorrow")), (None, None));
        for wrong in ["", "Berlin", "Mars/Olympus", "+01:00"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
        assert!(Zone::names().iter().any(|name| name == "Europe/Berlin"));
    }
}
