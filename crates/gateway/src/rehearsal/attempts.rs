//! How often each answer was asked for, so that a mishap can pass after some tries.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// More answers than any rehearsal waits for at once. Beyond it all counts start anew, which bounds the memory.
const LIMIT: usize = 10_000;

/// Counts per answer. Conversations are told apart by everything that the caller puts into the key.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<u64, u32>>);

impl Attempts {
    /// Counts one more try of the answer `key`; the first is 1.
    pub(crate) fn next(&self, key: &impl Hash) -> u32 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= LIMIT {
            counts.clear();
        }
        let count = counts.entry(hasher.finish()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_counts_for_itself() {
        let attempts = Attempts::default();
        assert_eq!([attempts.next(&"a"), attempts.next(&"b"), attempts.next(&"a")], [1, 1, 2]);
    }

    #[test]
    fn counts_stay_bounded() {
        let attempts = Attempts::default();
        for key in 0..=LIMIT {
            attempts.next(&key);
        }
        assert_eq!(attempts.0.lock().unwrap().len(), 1);
    }
}
