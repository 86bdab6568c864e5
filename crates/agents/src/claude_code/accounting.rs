//! What a run used, out of counts that are partly running totals.

use std::collections::BTreeMap;

use legwork_model::{Cost, Usage};

use super::wire::{ModelUsage, TurnResult};

/// Sums up the turns of one process.
///
/// The counts on the assistant's lines are left alone: one call to the model is printed as several lines, each with
/// the counts from before its answer. What the program adds up itself goes over the life of the process, or of the whole
/// session, so that only differences may be summed.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// The running totals as of the last turn.
    totals: BTreeMap<String, ModelUsage>,
    total_cost: f64,
    /// What was used, without what the session used before a resume.
    usage: Option<Usage>,
    cost: Option<f64>,
}

/// Tokens that a turn used of one model.
pub(super) type Used = (Option<String>, Usage);

impl Accounts {
    /// Adds a turn; returns what it used.
    pub(super) fn add(&mut self, turn: &TurnResult) -> Vec<Used> {
        let used = self.used(turn);
        self.usage = Some(used.iter().fold(self.usage.unwrap_or_default(), |sum, (_, usage)| sum + *usage));
        if let Some(cost) = self.cost_of(turn) {
            self.cost = Some(self.cost.unwrap_or_default() + cost);
        }
        self.total_cost = turn.total_cost_usd.unwrap_or(self.total_cost);
        self.totals.extend(turn.model_usage.clone());
        used
    }

    /// Tokens of all turns; `None` where no turn ended.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Cost of all turns; `None` where no turn ended.
    pub(super) fn cost(&self) -> Option<Cost> {
        self.cost.and_then(Cost::from_dollars)
    }

    fn used(&self, turn: &TurnResult) -> Vec<Used> {
        let named = |model: &String| Some(model.clone()).filter(|model| !model.is_empty());
        let mut used: Vec<Used> = match &turn.model_usage_since_last_result {
            Some(usage) => usage.iter().map(|(model, usage)| (named(model), Usage::from(*usage))).collect(),
            None if turn.model_usage.is_empty() => vec![(None, turn.usage.into())],
            None => turn.model_usage.iter().map(|(model, total)| (named(model), self.since(model, *total))).collect(),
        };
        used.retain(|(_, usage)| *usage != Usage::default());
        used
    }

    /// What was used of `model` since the last turn.
    fn since(&self, model: &str, total: ModelUsage) -> Usage {
        let (total, before) = (Usage::from(total), Usage::from(self.totals.get(model).copied().unwrap_or_default()));
        Usage {
            input_tokens: total.input_tokens.saturating_sub(before.input_tokens),
            output_tokens: total.output_tokens.saturating_sub(before.output_tokens),
            cache_read_tokens: total.cache_read_tokens.saturating_sub(before.cache_read_tokens),
            cache_write_tokens: total.cache_write_tokens.saturating_sub(before.cache_write_tokens),
        }
    }

    fn cost_of(&self, turn: &TurnResult) -> Option<f64> {
        match &turn.model_usage_since_last_result {
            Some(usage) => Some(usage.values().map(|usage| usage.cost_usd).sum()),
            None => turn.total_cost_usd.map(|total| (total - self.total_cost).max(0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the turns; shows what each used (input tokens by model), then the sums.
    fn check(turns: &[&str], expected: &str) {
        let mut accounts = Accounts::default();
        let mut shown = Vec::new();
        for turn in turns {
            let used = accounts.add(&serde_json::from_str(turn).expect("a result line"));
            let used =
                used.iter().map(|(model, usage)| format!("{}={}", model.as_deref().unwrap_or("?"), usage.input_tokens));
            shown.push(used.collect::<Vec<_>>().join(" "));
        }
        let cost = accounts.cost().map_or(-1, Cost::as_micros);
        let total = accounts.usage().unwrap_or_default().input_tokens;
        assert_eq!(format!("{} | {total} tokens, {cost} micros", shown.join(", ")), expected);
    }

    #[test]
    fn running_totals_become_differences() {
        let turns = [
            r#"{"subtype":"success","total_cost_usd":0.1,"modelUsage":{"a":{"inputTokens":10,"costUSD":0.1}}}"#,
            r#"{"subtype":"success","total_cost_usd":0.3,"modelUsage":{"a":{"inputTokens":10},"b":{"inputTokens":5}}}"#,
        ];
        check(&turns, "a=10, b=5 | 15 tokens, 300000 micros");
    }

    #[test]
    fn a_resumed_session_starts_at_zero() {
        let turn = r#"{"subtype":"success","total_cost_usd":9.5,"modelUsage":{"a":{"inputTokens":1010}},
            "model_usage_since_last_result":{"a":{"inputTokens":10,"costUSD":0.5}}}"#;
        check(&[turn], "a=10 | 10 tokens, 500000 micros");
    }

    #[test]
    fn without_models_the_plain_counts_serve() {
        check(&[r#"{"subtype":"success","usage":{"input_tokens":7}}"#], "?=7 | 7 tokens, -1 micros");
        check(&[r#"{"subtype":"success","usage":{},"total_cost_usd":0}"#], " | 0 tokens, 0 micros");
        check(&[], " | 0 tokens, -1 micros");
    }
}
