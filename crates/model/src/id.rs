//! Sortable, prefixed identifiers and the source of randomness behind them.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use crate::clock::Timestamp;

/// Names one execution: `exe_` and a ULID in lower case, so ids sort by the time of their creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(Ulid);

/// A text that is not an execution id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an execution id: expected `exe_` and 26 characters of Crockford base 32")]
pub struct InvalidId;

impl ExecutionId {
    const PREFIX: &'static str = "exe_";
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        let text = self.0.array_to_str(&mut buffer);
        text.make_ascii_lowercase();
        write!(f, "{}{text}", Self::PREFIX)
    }
}

impl FromStr for ExecutionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ulid = text.strip_prefix(Self::PREFIX).ok_or(InvalidId)?;
        // Only the lower-case spelling is an id: two spellings of one id would be two rows to a database.
        if ulid.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidId);
        }
        Ulid::from_string(ulid).map(Self).map_err(|_| InvalidId)
    }
}

impl Serialize for ExecutionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExecutionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for ExecutionId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^exe_[0-9a-hjkmnp-tv-z]{26}$"))
            .into()
    }
}

impl utoipa::ToSchema for ExecutionId {}

/// The source of ids and secrets. Ids made by one source strictly increase, even within a millisecond and when the
/// clock steps back, so the oldest of a queue is the smallest id.
pub struct Ids(Mutex<State>);

struct State {
    last: Ulid,
    random: Box<dyn Rng + Send>,
}

impl Ids {
    /// Ids from the operating system's randomness.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system for randomness")]
    pub fn from_system() -> Self {
        let seed: [u8; 32] = rand::random();
        Self::from_seed(seed)
    }

    /// The same ids every time, for tests.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let random = Box::new(<rand::rngs::StdRng as rand::SeedableRng>::from_seed(seed));
        Self(Mutex::new(State { last: Ulid::nil(), random }))
    }

    /// A new name for a request to a model: `call_` and a ULID in lower case.
    pub fn model_call(&self, now: Timestamp) -> String {
        self.execution(now).to_string().replacen(ExecutionId::PREFIX, "call_", 1)
    }

    /// A new execution id, larger than every one before it.
    pub fn execution(&self, now: Timestamp) -> ExecutionId {
        let mut state = self.lock();
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let next = if millis > state.last.timestamp_ms() {
            let random = u128::from(state.random.next_u64()) << 16 | u128::from(state.random.next_u32() & 0xFFFF);
            Ulid::from_parts(millis, random)
        } else {
            state.last.increment().unwrap_or_else(|_| Ulid::from_parts(state.last.timestamp_ms() + 1, 0))
        };
        state.last = next;
        ExecutionId(next)
    }

    /// 32 unpredictable bytes, for keys and tokens.
    pub fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.lock().random.fill_bytes(&mut bytes);
        bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while holding the lock cannot leave a half-made id behind.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_even_when_the_clock_goes_back() {
        let ids = Ids::from_seed([7; 32]);
        let times = [5, 5, 5, 3, 6, 6];
        let made: Vec<_> = times.iter().map(|at| ids.execution(Timestamp::from_millis(*at))).collect();
        assert!(made.is_sorted_by(|a, b| a < b && a.to_string() < b.to_string()), "{made:?}");
    }

    #[test]
    fn an_id_reads_back_only_in_its_own_spelling() {
        let id = Ids::from_seed([1; 32]).execution(Timestamp::from_millis(1_772_366_400_000));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for wrong in [text.to_uppercase(), text.replace("exe_", "wfr_"), text[..20].to_owned(), String::new()] {
            assert_eq!(wrong.parse::<ExecutionId>(), Err(InvalidId), "{wrong}");
        }
    }
}
