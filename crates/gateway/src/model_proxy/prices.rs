//! What tokens cost, from a dated table that operators can override.

use std::collections::BTreeMap;

use legwork_model::Cost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tokens::Tokens;

/// What the vendors publish.
const PUBLISHED: &str = include_str!("prices.toml");

/// A million tokens, which prices are for.
const MILLION: u128 = 1_000_000;

/// A search of the web, in millionths of a dollar: Anthropic's price.
const WEB_SEARCH: u128 = 10_000;

/// Prices of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    as_of: String,
    models: BTreeMap<String, Price>,
}

/// What a million tokens of one model cost, in US dollars: `"3"`, `"$0.25"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: Dollars,
    /// Tokens of the answer.
    pub output: Dollars,
    /// Tokens of the prompt that come from the vendor's cache; as others where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Dollars>,
    /// Tokens of the prompt that are put into the cache; as others where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Dollars>,
    /// Those that stay there for an hour; as others of the cache where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Dollars>,
    /// The prices of a request with a long prompt, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<Box<LongPrice>>,
}

/// What a million tokens of a request with a long prompt cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    /// A prompt is long that has more tokens than this, cached ones included.
    pub over: u64,
    /// Tokens of the prompt.
    pub input: Dollars,
    /// Tokens of the answer.
    pub output: Dollars,
    /// Tokens of the prompt that come from the vendor's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Dollars>,
    /// Tokens of the prompt that are put into the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Dollars>,
    /// Those that stay there for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Dollars>,
}

/// An amount of dollars, written as a text so that it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Dollars(Cost);

impl TryFrom<String> for Dollars {
    type Error = legwork_model::InvalidCost;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Serialize for Dollars {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl std::fmt::Display for Dollars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    as_of: String,
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// What the vendors publish, and what the operator sets instead or in addition.
    pub fn published_and(overrides: &BTreeMap<String, Price>) -> Self {
        // The table is part of the program, and a test reads it.
        let published = toml::from_str(PUBLISHED);
        let Table { as_of, mut models } =
            published.unwrap_or_else(|_| Table { as_of: String::new(), models: BTreeMap::new() });
        models.extend(overrides.clone());
        Self { as_of, models }
    }

    /// The day that the published prices are of, `2026-10-24`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.models.iter().map(|(name, price)| (name.as_str(), price))
    }

    /// The price of a model: of its own name, else of the longest that it begins with, else of `*`. What vendor is named
    /// before it (`anthropic/`) does not matter.
    pub fn of(&self, model: &str) -> Option<&Price> {
        let bare = model.rsplit('/').next().unwrap_or(model);
        let exact = self.models.get(model).or_else(|| self.models.get(bare));
        let known = || self.models.iter().filter(|(name, _)| is_variant(bare, name)).max_by_key(|(name, _)| name.len());
        exact.or_else(|| known().map(|(_, price)| price)).or_else(|| self.models.get("*"))
    }

    /// What a request costs where nobody knows its model.
    pub(super) fn dearest(&self, tokens: &Tokens) -> Cost {
        self.models.values().map(|price| price.cost(tokens)).max().unwrap_or_default()
    }

    /// What a request cost; `None` where the model has no price.
    pub fn cost(&self, model: &str, tokens: &Tokens) -> Option<Cost> {
        self.of(model).map(|price| price.cost(tokens))
    }
}

/// Whether `model` is `name` with a date or a tag behind it, and not another model whose name goes on.
fn is_variant(model: &str, name: &str) -> bool {
    let Some(rest) = model.strip_prefix(name) else { return false };
    let tag = rest.trim_start_matches(['-', '@', ':', '[']);
    tag.len() < rest.len()
        && (is_date(tag) || rest.starts_with('[') || ["latest", "preview"].iter().any(|known| tag.starts_with(known)))
}

/// `20250929`, `2025-04-14`, `001`, and what comes behind it.
fn is_date(tag: &str) -> bool {
    tag.bytes().take_while(u8::is_ascii_digit).count() >= 3
}

/// Prices of a million tokens, in millionths of a dollar.
struct Rates {
    input: u128,
    output: u128,
    cache_read: u128,
    cache_write: u128,
    cache_write_1h: u128,
}

impl Price {
    /// What a request cost, rounded up to a millionth of a dollar.
    fn cost(&self, tokens: &Tokens) -> Cost {
        let long = self.long.as_ref().filter(|long| tokens.prompt() > long.over);
        let rates = long.map_or_else(|| self.rates(), |long| long.rates());
        let usage = tokens.usage;
        let one_hour = tokens.cache_write_1h.min(usage.cache_write_tokens);
        let parts = [
            (usage.input_tokens, rates.input),
            (usage.output_tokens, rates.output),
            (usage.cache_read_tokens, rates.cache_read),
            (usage.cache_write_tokens - one_hour, rates.cache_write),
            (one_hour, rates.cache_write_1h),
        ];
        let total: u128 = parts.iter().map(|(count, rate)| u128::from(*count) * rate).sum();
        let micros = total.div_ceil(MILLION) + u128::from(tokens.web_searches) * WEB_SEARCH;
        Cost::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    fn rates(&self) -> Rates {
        rates(self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h)
    }
}

impl LongPrice {
    fn rates(&self) -> Rates {
        rates(self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h)
    }
}

fn rates(
    input: Dollars,
    output: Dollars,
    read: Option<Dollars>,
    write: Option<Dollars>,
    one_hour: Option<Dollars>,
) -> Rates {
    let micros = |dollars: Dollars| u128::try_from(dollars.0.as_micros()).unwrap_or(0);
    let cache_write = write.unwrap_or(input);
    Rates {
        input: micros(input),
        output: micros(output),
        cache_read: micros(read.unwrap_or(input)),
        cache_write: micros(cache_write),
        cache_write_1h: micros(one_hour.unwrap_or(cache_write)),
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::Usage;

    use super::*;

    fn published() -> Prices {
        Prices::published_and(&BTreeMap::new())
    }

    fn tokens(input: u64, output: u64, cache_read: u64, cache_write: u64) -> Tokens {
        let usage = Usage {
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: cache_read,
            cache_write_tokens: cache_write,
        };
        Tokens { usage, ..Tokens::default() }
    }

    #[test]
    fn the_table_can_be_read() {
        let table: Table = toml::from_str(PUBLISHED).expect("the published prices");
        assert!(table.models.len() > 40 && table.as_of.starts_with("202"));
    }

    #[test]
    fn a_model_is_found_by_its_name_and_what_may_stand_around_it() {
        let prices = published();
        let same = |model: &str, name: &str| {
            assert_eq!(prices.of(model), prices.models.get(name), "{model}");
            assert!(prices.of(model).is_some(), "{model}");
        };
        same("claude-sonnet-4-5-20250929", "claude-sonnet-4-5");
        same("claude-sonnet-4-20250514", "claude-sonnet-4");
        same("claude-opus-4-6[1m]", "claude-opus-4-6");
        same("anthropic/claude-haiku-4-5@20251001", "claude-haiku-4-5");
        same("openrouter/openai/gpt-4.1-mini-2025-04-14", "gpt-4.1-mini");
        same("gemini-2.5-pro-preview-05-06", "gemini-2.5-pro");
        for unknown in ["gpt-5.5-ultra", "claude-opus-4-9", "claude", "qwen3-coder", "gpt-4.12", ""] {
            assert_eq!(prices.of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_request_costs_what_its_parts_cost_and_never_less() {
        let prices = published();
        let cost = |model: &str, tokens: Tokens| prices.cost(model, &tokens).map(Cost::as_micros);
        assert_eq!(cost("claude-sonnet-4-5", tokens(1_000, 100, 10_000, 2_000)), Some(3_000 + 1_500 + 3_000 + 7_500));
        let one_hour = Tokens { cache_write_1h: 2_000, ..tokens(0, 0, 0, 2_000) };
        assert_eq!(cost("claude-sonnet-4-5", one_hour), Some(12_000));
        let searches = Tokens { web_searches: 3, ..Tokens::default() };
        assert_eq!(cost("claude-sonnet-4-5", searches), Some(30_000));
        assert_eq!(cost("gpt-5-nano", tokens(1, 0, 0, 0)), Some(1), "rounded up");
        assert_eq!(cost("gpt-5.5", tokens(272_000, 0, 0, 0)), Some(1_360_000));
        assert_eq!(cost("gpt-5.5", tokens(200_000, 0, 72_001, 0)), Some(2_000_000 + 72_001));
        assert_eq!(cost("claude-sonnet-4-5", tokens(u64::MAX, u64::MAX, u64::MAX, u64::MAX)), Some(i64::MAX));
        assert_eq!(cost("unheard-of", tokens(1, 1, 1, 1)), None);
    }

    #[test]
    fn an_operator_sets_prices() {
        let own: BTreeMap<String, Price> = toml::from_str(
            "\"claude-sonnet-4-5\" = { input = \"1\", output = \"$2.00\" }\n\"*\" = { input = \"0\", output = \"0\" }",
        )
        .expect("prices");
        let prices = Prices::published_and(&own);
        assert_eq!(
            prices.cost("claude-sonnet-4-5", &tokens(1_000, 1_000, 1_000, 1_000)).map(Cost::as_micros),
            Some(5_000)
        );
        assert_eq!(prices.cost("unheard-of", &tokens(1, 1, 1, 1)), Some(Cost::default()));
        let wrong = toml::from_str::<BTreeMap<String, Price>>("m = { input = \"-1\", output = \"2\" }").unwrap_err();
        assert!(wrong.to_string().contains("not an amount of US dollars"), "{wrong}");
    }
}
