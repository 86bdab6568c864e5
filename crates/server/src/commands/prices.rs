//! `legwork prices`

use std::path::PathBuf;

use clap::Args;
use legwork_gateway::model_proxy::{Price, Prices as Table};

use super::terminal::aligned;
use super::{Failure, load_config, print};
use crate::config::Environment;

/// Shows what models cost: what a million tokens of each are counted as.
#[derive(Debug, Args)]
pub struct Prices {
    /// Only this model, as an agent would name it; fails where it has no price
    model: Option<String>,
    /// As JSON, in the form of `[prices]`
    #[arg(long)]
    json: bool,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Prices {
    /// Does it.
    ///
    /// # Errors
    /// Where the settings make no sense, or the model has no price.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let own = load_config(self.config.as_deref(), environment)?.prices;
        let table = Table::published_and(&own);
        let shown: Vec<(&str, &Price)> = match &self.model {
            Some(model) => vec![(model, of(&table, model)?)],
            None => table.iter().collect(),
        };
        if self.json {
            let all: std::collections::BTreeMap<_, _> = shown.into_iter().collect();
            let json = serde_json::to_string_pretty(&all).map_err(|error| Failure::new(error.to_string()))?;
            return print(&json).map(drop);
        }
        let head = ["MODEL", "INPUT", "OUTPUT", "CACHE READ", "CACHE WRITE", "FROM"].map(str::to_owned);
        let rows = shown.iter().map(|(name, price)| row(name, price, own.contains_key(*name)));
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let note = format!("US dollars for a million tokens; published prices as of {}.", table.as_of());
        print(&format!("{}\n{note}", aligned(&rows))).map(drop)
    }
}

fn of<'a>(table: &'a Table, model: &str) -> Result<&'a Price, Failure> {
    let hint = || {
        format!("the model `{model}` has no price; set it in legwork.toml: [prices.\"{model}\"] with input and output")
    };
    table.of(model).ok_or_else(|| Failure::new(hint()))
}

fn row(name: &str, price: &Price, own: bool) -> [String; 6] {
    let cache = |price: &Option<legwork_gateway::model_proxy::Dollars>| {
        price.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let from = if own { "legwork.toml" } else { "published" };
    let (input, output) = (price.input.to_string(), price.output.to_string());
    [name.to_owned(), input, output, cache(&price.cache_read), cache(&price.cache_write), from.to_owned()]
}
