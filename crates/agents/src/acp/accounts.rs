//! What a conversation used, out of counts that are kept in different ways.

use legwork_model::Usage;

use super::wire::{ModelQuota, Prompted, SessionUsage};

/// How an agent counts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Not at all, or in a way that is not known.
    No,
    /// Each prompt for itself, by model, without a word about the cache.
    ByPrompt,
    /// The whole session; again from 0 after it was loaded. Inputs are counted with those of the cache.
    BySession,
}

/// Tokens that a turn used of one model.
pub(super) type Used = (Option<String>, Usage);

/// Sums up the turns.
#[derive(Debug)]
pub(super) struct Accounts {
    counting: Counting,
    session: SessionUsage,
    usage: Option<Usage>,
}

impl Accounts {
    pub(super) fn new(counting: Counting) -> Self {
        Self { counting, session: SessionUsage::default(), usage: None }
    }

    /// Adds a turn; returns what it used.
    pub(super) fn add(&mut self, turn: &Prompted, model: Option<&String>) -> Vec<Used> {
        let counted: Option<Vec<Used>> = match self.counting {
            Counting::No => None,
            Counting::ByPrompt => {
                turn.meta.quota.as_ref().map(|quota| quota.model_usage.iter().map(by_model).collect())
            }
            Counting::BySession => turn.usage.map(|total| vec![(model.cloned(), self.since(total))]),
        };
        let Some(mut used) = counted else { return Vec::new() };
        used.retain(|(_, usage)| *usage != Usage::default());
        self.usage = Some(used.iter().fold(self.usage.unwrap_or_default(), |sum, (_, usage)| sum + *usage));
        used
    }

    /// Tokens of all turns; `None` where none was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn since(&mut self, total: SessionUsage) -> Usage {
        let before = std::mem::replace(&mut self.session, total);
        let cached = |usage: SessionUsage| usage.cached_read_tokens.saturating_add(usage.cached_write_tokens);
        let fresh = |usage: SessionUsage| usage.input_tokens.saturating_sub(cached(usage));
        Usage {
            input_tokens: fresh(total).saturating_sub(fresh(before)),
            output_tokens: total.output_tokens.saturating_sub(before.output_tokens),
            cache_read_tokens: total.cached_read_tokens.saturating_sub(before.cached_read_tokens),
            cache_write_tokens: total.cached_write_tokens.saturating_sub(before.cached_write_tokens),
        }
    }
}

fn by_model(quota: &ModelQuota) -> Used {
    let tokens = quota.token_count;
    let usage = Usage { input_tokens: tokens.input_tokens, output_tokens: tokens.output_tokens, ..Usage::default() };
    (quota.model.clone(), usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the turns; shows what each used, then the sum: inputs, outputs, read from the cache.
    fn check(counting: Counting, turns: &[&str], expected: &str) {
        let mut accounts = Accounts::new(counting);
        let show =
            |usage: &Usage| format!("{}/{}/{}", usage.input_tokens, usage.output_tokens, usage.cache_read_tokens);
        let mut shown = Vec::new();
        for turn in turns {
            let turn = format!(r#"{{"stopReason":"end_turn",{turn}}}"#);
            let used = accounts.add(&serde_json::from_str(&turn).expect("an answer"), None);
            shown.push(used.iter().map(|(_, usage)| show(usage)).collect::<Vec<_>>().join("+"));
        }
        let sum = accounts.usage().map_or("-".to_owned(), |usage| show(&usage));
        assert_eq!(format!("{} = {sum}", shown.join(", ")), expected);
    }

    #[test]
    fn a_session_is_counted_by_differences() {
        let turns = [
            r#""usage":{"inputTokens":1200,"outputTokens":25,"cachedReadTokens":300}"#,
            r#""usage":{"inputTokens":2400,"outputTokens":50,"cachedReadTokens":600}"#,
            r#""usage":{"inputTokens":2400,"outputTokens":50,"cachedReadTokens":600}"#,
        ];
        check(Counting::BySession, &turns, "900/25/300, 900/25/300,  = 1800/50/600");
    }

    #[test]
    fn prompts_are_summed_up() {
        let quota = r#""_meta":{"quota":{"model_usage":[
            {"model":"a","token_count":{"input_tokens":5,"output_tokens":1}},
            {"model":"b","token_count":{"input_tokens":7,"output_tokens":2}}]}}"#;
        check(Counting::ByPrompt, &[quota, quota], "5/1/0+7/2/0, 5/1/0+7/2/0 = 24/6/0");
    }

    #[test]
    fn counts_of_another_shape_are_none() {
        check(Counting::BySession, &[r#""usage":7"#], " = -");
        check(Counting::ByPrompt, &[r#""_meta":7"#], " = -");
        check(Counting::No, &[r#""usage":{"inputTokens":1200}"#], " = -");
    }
}
