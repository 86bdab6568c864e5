//! Sums of the ledger.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use legwork_model::{Cost, Timestamp, Usage, Zone};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait};

use super::connect::Store;
use super::entity::model_call;
use super::error::StoreError;
use super::transaction::sum_of;

/// Sums that the database may give, before those of parts of a day are put together.
const PARTS: u64 = 200_000;
const DAY_MILLIS: i64 = 86_400_000;

/// What sums are made for each of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// Each day of the zone.
    Day,
    /// Each project.
    Project,
    /// Each API key, by its id.
    Key,
    /// Each user.
    User,
    /// Each agent.
    Agent,
    /// Each model.
    Model,
}

impl UsageBy {
    /// All there are.
    pub const ALL: [Self; 6] = [Self::Day, Self::Project, Self::Key, Self::User, Self::Agent, Self::Model];

    /// As it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Project => "project",
            Self::Key => "key",
            Self::User => "user",
            Self::Agent => "agent",
            Self::Model => "model",
        }
    }

    const fn column(self) -> Option<model_call::Column> {
        match self {
            Self::Day => None,
            Self::Project => Some(model_call::Column::Project),
            Self::Key => Some(model_call::Column::ApiKey),
            Self::User => Some(model_call::Column::UserLabel),
            Self::Agent => Some(model_call::Column::Agent),
            Self::Model => Some(model_call::Column::Model),
        }
    }
}

/// Which requests to models are summed up, and how.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// Those made at this time or later.
    pub from: Timestamp,
    /// Those made before this time.
    pub to: Timestamp,
    /// A sum for each of these.
    pub by: Vec<UsageBy>,
    /// Where days begin.
    pub zone: Zone,
}

/// A sum of requests to models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many there were.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
    /// What they cost, by the price table.
    pub cost: Cost,
    /// What of that a subscription paid, so that nobody is billed for it.
    pub imputed: Cost,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.usage += other.usage;
        self.cost += other.cost;
        self.imputed += other.imputed;
    }
}

/// Sums by what they are for: one entry for each of [`UsageQuery::by`], none where a job has no such label.
pub type Sums = BTreeMap<Vec<Option<String>>, Sum>;

impl Store {
    /// Sums of the ledger; nothing where there are more than `most`.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn usage(&self, query: &UsageQuery, most: usize) -> Result<Option<Sums>, StoreError> {
        let backend = self.reads.get_database_backend();
        let mut select = model_call::Entity::find()
            .select_only()
            .filter(model_call::Column::At.gte(query.from.as_millis()))
            .filter(model_call::Column::At.lt(query.to.as_millis()))
            .expr_as(sum_of(backend, "1"), "calls")
            .limit(PARTS + 1);
        for column in SUMMED {
            select = select.expr_as(sum_of(backend, column), format!("sum_{column}"));
        }
        select = select.expr_as(sum_of(backend, "cost * imputed"), "sum_imputed");
        for by in &query.by {
            select = match by.column() {
                Some(column) => select.column(column).group_by(column),
                None => select.expr_as(query.part_of_day(), "part").group_by(Expr::col("part")),
            };
        }
        let rows = self.reads.query_all_raw(select.build(backend)).await?;
        let mut sums = Sums::new();
        for row in &rows {
            *sums.entry(query.labels(row)?).or_default() += sum(row)?;
        }
        let fits = rows.len() as u64 <= PARTS && sums.len() <= most;
        Ok(fits.then_some(sums))
    }
}

const SUMMED: [&str; 5] = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost"];

impl UsageQuery {
    /// When the part of its day begins that a request was made in. Databases know little of time zones, so they get parts that
    /// no day begins within: whole days, unless clocks are put forward or back meanwhile.
    fn part_of_day(&self) -> Expr {
        let first = self.zone.day_start(self.from);
        let mut part = DAY_MILLIS;
        let mut day = first;
        while day < self.to {
            let next = self.zone.next_day(day);
            if next <= day {
                break;
            }
            part = common_divisor(part, next.as_millis() - first.as_millis());
            day = next;
        }
        Expr::cust(format!("(at - (at - {0}) % {part})", first.as_millis()))
    }

    fn labels(&self, row: &QueryResult) -> Result<Vec<Option<String>>, DbErr> {
        let label = |by: &UsageBy| match by.column() {
            Some(column) => row.try_get("", sea_orm::IdenStatic::as_str(&column)),
            None => {
                let part: i64 = row.try_get("", "part")?;
                Ok(Some(self.zone.day(Timestamp::from_millis(part))))
            }
        };
        self.by.iter().map(label).collect()
    }
}

fn common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
}

fn sum(row: &QueryResult) -> Result<Sum, DbErr> {
    let number = |column: &str| row.try_get::<i64>("", column);
    let count = |column: &str| number(column).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(Sum {
        calls: count("calls")?,
        usage: Usage {
            input_tokens: count("sum_input_tokens")?,
            output_tokens: count("sum_output_tokens")?,
            cache_read_tokens: count("sum_cache_read_tokens")?,
            cache_write_tokens: count("sum_cache_write_tokens")?,
        },
        cost: Cost::from_micros(number("sum_cost")?),
        imputed: Cost::from_micros(number("sum_imputed")?),
    })
}
