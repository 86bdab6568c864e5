//! `legwork usage`

use clap::Args;

use super::client::ServerArgs;
use super::terminal::{aligned, dollars, one_line, plain_json};
use super::{Failure, print};
use crate::config::Environment;
use crate::doors::native::usage::{UsageReport, UsageRow, UsageSum};

const AFTER_HELP: &str = "\
The server is http://127.0.0.1:7070 where neither --server nor LEGWORK_SERVER names another.

Exit codes:
    0  done
    2  wrong usage
    3  no server there, or it does not accept the key";

/// Shows what was spent: the last 30 days by day, where nothing else is asked for.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Usage {
    /// From this day or time on, such as 2026-03-01
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Up to the end of this day, or up to this time
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Some of day, project, key, user, agent, model, with commas between [default: day]
    #[arg(long, value_name = "WHAT")]
    by: Option<String>,
    /// Print it as the server gives it, as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Usage {
    /// Does it.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses, or the answer can't be written.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        let given = [("from", self.from), ("to", self.to), ("by", self.by)];
        let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let report = self.server.connect(&environment)?.usage(&query).await?;
        print(&if self.json { plain_json(&report.json) } else { table(&report.value) }).map(drop)
    }
}

fn table(report: &UsageReport) -> String {
    if report.rows.is_empty() {
        return "Nothing was spent.\n".to_owned();
    }
    let head = ["FOR", "CALLS", "INPUT", "CACHED", "OUTPUT", "COST"].map(str::to_owned);
    let rows = report.rows.iter().map(|row| line(label(row), &row.sum));
    let total = line("total".to_owned(), &report.total);
    aligned(&std::iter::once(head).chain(rows).chain([total]).collect::<Vec<_>>())
}

fn line(label: String, sum: &UsageSum) -> [String; 6] {
    let usage = &sum.usage;
    let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
    let [calls, input, cached, output] =
        [sum.calls, usage.input_tokens, cached, usage.output_tokens].map(|number| number.to_string());
    [label, calls, input, cached, output, dollars(sum.cost_usd)]
}

fn label(row: &UsageRow) -> String {
    let labels = [&row.day, &row.project, &row.key, &row.user, &row.agent, &row.model];
    let labels: Vec<_> = labels.into_iter().flatten().map(|label| one_line(label)).collect();
    if labels.is_empty() { "-".to_owned() } else { labels.join(" ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_ends_with_the_sum() {
        let sum = json!({
            "calls": 2, "inputTokens": 7, "outputTokens": 3, "cacheReadTokens": 2, "cacheWriteTokens": 1, "costUsd": 0.5,
            "imputedUsd": 0,
        });
        let mut row = sum.clone();
        row["day"] = json!("2026-03-01");
        row["model"] = json!("opus\u{7}");
        let report = |rows| json!({ "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z", "timeZone": "UTC", "rows": rows, "total": sum });
        let shown = |rows| table(&serde_json::from_value(report(rows)).expect("a report"));
        assert_eq!(shown(json!([])), "Nothing was spent.\n");
        let table = shown(json!([row, sum]));
        assert!(!table.contains('\u{7}') && table.contains("2026-03-01 opus"), "{table}");
        assert_eq!(table.lines().count(), 4, "{table}");
        assert!(
            table.lines().last().is_some_and(|total| total.starts_with("total") && total.ends_with("$0.5000")),
            "{table}"
        );
    }
}
