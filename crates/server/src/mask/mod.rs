//! Keeps secrets out of all that is shown: events, outputs, answers, logs, reports.
//!
//! Every value is looked for in each of its `forms`, also where line breaks were put into it. What is found is replaced by
//! `***`. Values shorter than eight bytes are too likely to be ordinary words, and are not looked for.

mod forms;
mod lines;
mod log;
mod matcher;
mod pieces;
mod unwrapped;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use legwork_model::ExecutionId;
use serde_json::Value;

use matcher::{Matcher, Matchers};
pub use pieces::Pieces;

/// What stands for a secret.
const STARS: &str = "***";

/// Replaces the secrets that this process knows by `***`. Cheap to clone: all clones know the same, also what is learnt later.
#[derive(Clone, Default)]
pub struct Mask {
    known: Arc<Known>,
    /// Whose text is masked: what single runs bring along is looked for in what they say alone.
    whose: Whose,
}

#[derive(Clone, Copy, Default)]
enum Whose {
    #[default]
    Nobodys,
    Of(ExecutionId),
    /// The service's own log tells of all runs.
    Everybodys,
}

#[derive(Default)]
struct Known {
    all: RwLock<Learnt>,
    runs: RwLock<HashMap<ExecutionId, Vec<Arc<Matcher>>>>,
}

#[derive(Default)]
struct Learnt {
    secrets: BTreeSet<String>,
    matcher: Arc<Matcher>,
}

impl Mask {
    /// A mask for these secrets.
    pub fn new(secrets: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let mask = Self::default();
        mask.learn(secrets);
        mask
    }

    /// Masks these, too, from now on and for as long as the process lives.
    pub fn learn(&self, secrets: impl IntoIterator<Item: AsRef<str>>) {
        let mut all = self.known.all.write().unwrap_or_else(PoisonError::into_inner);
        let before = all.secrets.len();
        all.secrets.extend(secrets.into_iter().map(|secret| secret.as_ref().to_owned()));
        if all.secrets.len() > before {
            all.matcher = Arc::new(Matcher::new(all.secrets.iter().map(String::as_str)));
        }
    }

    /// Masks these, too, in what a run says, until they are [forgotten](Self::forget).
    pub fn learn_of<'a>(&self, run: ExecutionId, secrets: impl IntoIterator<Item = &'a str>) {
        let matcher = Arc::new(Matcher::new(secrets));
        self.known.runs.write().unwrap_or_else(PoisonError::into_inner).entry(run).or_default().push(matcher);
    }

    /// Forgets what a run brought along.
    pub fn forget(&self, run: ExecutionId) {
        self.known.runs.write().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// A mask for what a run says.
    #[must_use]
    pub fn of(&self, run: ExecutionId) -> Self {
        Self { known: Arc::clone(&self.known), whose: Whose::Of(run) }
    }

    /// A mask for what may tell of all runs.
    #[must_use]
    pub fn of_all(&self) -> Self {
        Self { known: Arc::clone(&self.known), whose: Whose::Everybodys }
    }

    /// `text` without secrets.
    pub fn apply(&self, text: String) -> String {
        match self.matchers().without(text.as_bytes()) {
            Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
            None => text,
        }
    }

    /// Bytes of whatever kind without secrets.
    pub fn apply_to_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.matchers().without(&bytes).unwrap_or(bytes)
    }

    /// A list of differences without secrets, which stays one.
    pub fn apply_to_patch(&self, patch: Vec<u8>) -> Vec<u8> {
        self.matchers().without_in_lines(&patch).unwrap_or(patch)
    }

    /// The output of a program without secrets, also those that it told piece by piece in lines of JSON.
    pub fn apply_to_output(&self, output: Vec<u8>) -> Vec<u8> {
        let matchers = self.matchers();
        if matchers.is_empty() {
            return output;
        }
        let joined = lines::without_split(&matchers, output);
        matchers.without(&joined).unwrap_or(joined)
    }

    /// The same of a program that goes on: without an end that may be the beginning of a secret.
    pub fn apply_to_output_so_far(&self, mut output: Vec<u8>) -> Vec<u8> {
        let decided = self.matchers().undecided(&output);
        output.truncate(decided);
        self.apply_to_output(output)
    }

    /// A JSON text without secrets, which stays one.
    pub fn apply_to_json(&self, json: String) -> String {
        let matchers = self.matchers();
        if matchers.find(json.as_bytes()).is_empty() {
            return json;
        }
        let masked = serde_json::from_str(&json).map(|value| masked_value(&matchers, value).to_string());
        // What is found even now is made up of several values, and of what is in between.
        match masked {
            Ok(masked) if matchers.find(masked.as_bytes()).is_empty() => masked,
            _ => serde_json::json!({ "masked": STARS }).to_string(),
        }
    }

    /// A JSON value without secrets.
    pub fn apply_to_value(&self, value: Value) -> Value {
        let matchers = self.matchers();
        if matchers.is_empty() { value } else { masked_value(&matchers, value) }
    }

    fn matchers(&self) -> Matchers {
        let all = self.known.all.read().unwrap_or_else(PoisonError::into_inner);
        let runs = self.known.runs.read().unwrap_or_else(PoisonError::into_inner);
        let own: Vec<_> = match self.whose {
            Whose::Nobodys => Vec::new(),
            Whose::Of(run) => runs.get(&run).into_iter().flatten().cloned().collect(),
            Whose::Everybodys => runs.values().flatten().cloned().collect(),
        };
        Matchers::new(std::iter::once(Arc::clone(&all.matcher)).chain(own))
    }
}

/// Each text, name and number of a value by itself: what is replaced within JSON as it is written may break it.
fn masked_value(matchers: &Matchers, value: Value) -> Value {
    let masked = |text: String| match matchers.without(text.as_bytes()) {
        Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
        None => text,
    };
    match value {
        Value::String(text) => Value::String(masked(text)),
        Value::Array(values) => values.into_iter().map(|value| masked_value(matchers, value)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (masked(name), masked_value(matchers, value))).collect()
        }
        Value::Number(number) if !matchers.find(number.to_string().as_bytes()).is_empty() => {
            Value::String(STARS.to_owned())
        }
        other => other,
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_disappear_and_short_words_stay() {
        let mask = Mask::new(["sk-ant-12345", "abc"]);
        assert_eq!(mask.apply("key=sk-ant-12345 abc".into()), "key=*** abc");
        assert_eq!(mask.apply_to_bytes(b"\xff\x00sk-ant-12345\xff".to_vec()), b"\xff\x00***\xff");
    }

    #[test]
    fn what_a_run_brings_along_is_masked_for_it_and_in_the_log() {
        let ids = legwork_model::Ids::from_seed([1; 32]);
        let [one, other] = [1, 2].map(|at| ids.execution(legwork_model::Timestamp::from_millis(at)));
        let mask = Mask::new(["known-to-all"]);
        let (of_one, of_other) = (mask.of(one), mask.of(other));
        mask.learn_of(one, ["only-of-one"]);
        mask.learn_of(one, ["and-of-one"]);
        let said = || "known-to-all only-of-one".to_owned();
        assert_eq!(of_one.apply("and-of-one".to_owned()), "***");
        assert_eq!(of_one.apply(said()), "*** ***");
        assert_eq!(of_other.apply(said()), "*** only-of-one");
        assert_eq!(mask.of_all().apply(said()), "*** ***");
        mask.forget(one);
        assert_eq!(of_one.apply(said()), "*** only-of-one");
        mask.learn(["only-of-one"]);
        assert_eq!(of_other.apply(said()), "*** ***");
    }

    #[test]
    fn json_stays_json_whatever_the_secret_is() {
        let mask = Mask::new([r#"y","b":"z"#, "say \"hello\"", "12345678"]);
        assert_eq!(mask.apply_to_json(r#"{"x":"say \"hello\"","n":12345678}"#.into()), r#"{"n":"***","x":"***"}"#);
        assert_eq!(mask.apply_to_json(r#"{"a":"y","b":"z"}"#.into()), r#"{"masked":"***"}"#);
        assert_eq!(mask.apply_to_json(r#"{"b":1,"a":"plain"}"#.into()), r#"{"b":1,"a":"plain"}"#);
    }
}
