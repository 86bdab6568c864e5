//! `legwork budget`

use clap::{Args, Subcommand};
use legwork_model::{Cost, Period, Timestamp};
use serde_json::{Value, json};

use super::client::ServerArgs;
use super::terminal::{aligned, one_line, plain_json};
use super::{Failure, print};
use crate::config::Environment;
use crate::doors::native::budgets::BudgetView;
use crate::store::budgets::BudgetScope;

const AFTER_HELP: &str = "\
The server is http://127.0.0.1:7070 where neither --server nor LEGWORK_SERVER names another.

Examples:
    legwork budget set install --limit '$100' --per month --alert-at 80
    legwork budget set user '*' --limit '$5.00' --per day
    legwork budget set project website --limit 250 --per total --pause

Exit codes:
    0  done
    1  there is no such budget
    2  wrong usage
    3  no server there, or it does not accept the key";

/// Lists, makes, changes and removes budgets of a server.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Budget {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the budgets and how they stand
    List {
        /// Print them as the server gives them, as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a budget, or replaces the one of the same scope, name and period
    Set(Set),
    /// Removes a budget
    Rm {
        /// Its id, bud_…
        id: String,
    },
}

#[derive(Debug, Args)]
struct Set {
    /// What it is for: install, project, user, key, session
    #[arg(value_parser = parse_scope)]
    scope: BudgetScope,
    /// Whose it is; '*' for each by itself
    #[arg(default_value = "*")]
    name: String,
    /// What may be spent in a period, such as $5.00
    #[arg(long, value_name = "DOLLARS")]
    limit: Cost,
    /// After which counting begins anew: day, month, total
    #[arg(long, value_name = "PERIOD", value_parser = parse_period)]
    per: Period,
    /// Tell somebody when so much of it is spent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    alert_at: Option<u8>,
    /// Let runs that meet the limit wait until there is room, instead of ending them
    #[arg(long)]
    pause: bool,
    /// Where its days and months begin, such as Europe/Berlin [default: as the server is set]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

impl Budget {
    /// Does it.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses, or the answer can't be written.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        let client = self.server.connect(&environment)?;
        match self.action {
            Action::List { json: true } => print(&plain_json(&client.budgets().await?.json))?,
            Action::List { json: false } => print(&table(&client.budgets().await?.value.budgets))?,
            Action::Set(set) => print(&table(&[client.put_budget(&set.request()).await?]))?,
            Action::Rm { id } => {
                client.remove_budget(&id).await?;
                print(&format!("{} is removed", one_line(&id)))?
            }
        };
        Ok(())
    }
}

impl Set {
    fn request(&self) -> Value {
        let mut request = json!({
            "scope": self.scope, "name": self.name, "period": self.per, "limitUsd": self.limit, "pauseOnExceed": self.pause,
        });
        if let Some(percent) = self.alert_at {
            request["alertAtPercent"] = json!(percent);
        }
        if let Some(zone) = &self.time_zone {
            request["timeZone"] = json!(zone);
        }
        request
    }
}

/// One line for each that a budget is counted for.
fn table(budgets: &[BudgetView]) -> String {
    if budgets.is_empty() {
        return "No budgets.\n".to_owned();
    }
    let head = ["ID", "SCOPE", "FOR", "PER", "LIMIT", "SPENT", "SET ASIDE", "LEFT", "ANEW AT (UTC)"].map(str::to_owned);
    aligned(&std::iter::once(head).chain(budgets.iter().flat_map(rows)).collect::<Vec<_>>())
}

fn rows(budget: &BudgetView) -> Vec<[String; 9]> {
    let row = |name: &str, [spent, reserved, remaining]: [String; 3]| {
        [
            budget.id.clone(),
            budget.scope.as_str().to_owned(),
            one_line(name),
            budget.period.as_str().to_owned(),
            budget.limit_usd.to_string(),
            spent,
            reserved,
            remaining,
            budget.resets_at.map_or_else(|| "-".to_owned(), moment),
        ]
    };
    let mut rows = Vec::new();
    if budget.counters.is_empty() {
        rows.push(row(&budget.name, ["-", "-", "-"].map(str::to_owned)));
    }
    rows.extend(budget.counters.iter().map(|counter| {
        row(
            &counter.subject,
            [counter.spent_usd, counter.reserved_usd, counter.remaining_usd].map(|cost| cost.to_string()),
        )
    }));
    rows
}

/// `2026-03-01 12:00:00`
fn moment(at: Timestamp) -> String {
    at.to_string().chars().take(19).map(|character| if character == 'T' { ' ' } else { character }).collect()
}

fn parse_scope(text: &str) -> Result<BudgetScope, String> {
    let scopes = BudgetScope::ALL.map(BudgetScope::as_str).join(", ");
    BudgetScope::parse(text).ok_or_else(|| format!("must be one of {scopes}"))
}

fn parse_period(text: &str) -> Result<Period, String> {
    let periods = Period::ALL.map(Period::as_str).join(", ");
    Period::parse(text).ok_or_else(|| format!("must be one of {periods}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        budget: Budget,
    }

    fn request(args: &[&str]) -> Result<Value, String> {
        let parsed = Cli::try_parse_from([&["budget", "set"], args].concat()).map_err(|error| error.to_string())?;
        let Action::Set(set) = parsed.budget.action else { return Err("another action".into()) };
        Ok(set.request())
    }

    #[test]
    fn what_was_given_is_asked_for() {
        assert_eq!(
            request(&["user", "--limit", "$5.00", "--per", "day", "--alert-at", "80", "--pause"]),
            Ok(json!({
                "scope": "user", "name": "*", "period": "day", "limitUsd": 5.0, "pauseOnExceed": true, "alertAtPercent": 80,
            }))
        );
        for (wrong, what) in [
            (["usr", "x", "--limit", "5", "--per", "day"], "must be one of install, project, user, key, session"),
            (["user", "x", "--limit", "1,000", "--per", "day"], "`1,000` is not an amount of US dollars"),
            (["user", "x", "--limit", "5", "--per", "week"], "must be one of day, month, total"),
        ] {
            let error = request(&wrong).expect_err(what);
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_that_is_counted() {
        assert_eq!(table(&[]), "No budgets.\n");
        let budget = |counters: Value| {
            let view = json!({
                "id": "bud_1", "scope": "user", "name": "*", "period": "day", "limitUsd": 5, "pauseOnExceed": false,
                "timeZone": "UTC", "periodStart": "2026-03-01T00:00:00.000Z", "resetsAt": "2026-03-02T00:00:00.000Z",
                "updatedAt": "2026-03-01T12:00:00.000Z", "counters": counters,
            });
            serde_json::from_value(view).expect("a budget")
        };
        let ada = json!({ "subject": "ada\u{1b}[2J", "spentUsd": 1.25, "reservedUsd": 0.5, "remainingUsd": 3.25 });
        let table = table(&[budget(json!([ada])), budget(json!([]))]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3, "{table}");
        assert!(
            !table.contains('\u{1b}') && lines[1].contains("$1.25") && lines[1].ends_with("2026-03-02 00:00:00"),
            "{table}"
        );
    }
}
