//! What may be spent: budgets, what is set aside for jobs that wait or run, and what is spent by the ledger.
//!
//! A budget has a counter for each subject that it is counted by. There are counters of budgets only, so that who has none
//! pays for none. A counter holds what was `spent` in its present period, and what is `reserved`: the sum of what is
//! outstanding of all reservations that match, in whichever period they were made. Hence at every midnight `spent` begins
//! anew, and a run over midnight takes along what is set aside for it.
//!
//! Locks are taken in one order: the row of an execution, its gate, counters by budget and subject.

mod counter;
mod gate;
mod list;
mod matching;
mod put;
mod refusals;
mod reserve;

use std::fmt;

use legwork_model::{Cost, ExecutionId, Period, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entity::{budget, labels};
use super::error::StoreError;

pub(super) use counter::Counter;
pub(super) use gate::STRIPES;
pub(super) use gate::pass;
pub use list::{BudgetState, CounterState};
pub(super) use matching::matching;
pub use put::{NewBudget, PruneCounters, RemoveBudget};
pub(super) use refusals::record_refusal;
pub use refusals::{BudgetRefusal, PruneRefusals, Refuse};
pub(super) use reserve::{Room, release, reserve, room};

/// Stands for every subject of a scope, each by itself.
pub const EACH: &str = "*";

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// Everything on this installation.
    Install,
    /// The jobs of a project, as their callers name it.
    Project,
    /// The jobs for a user, as their callers name them.
    User,
    /// The jobs that an API key submitted, by its id.
    Key,
    /// The jobs of one session, by the id of the execution that began it.
    Session,
}

impl BudgetScope {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Install, Self::Project, Self::User, Self::Key, Self::Session];

    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Project => "project",
            Self::User => "user",
            Self::Key => "key",
            Self::Session => "session",
        }
    }

    /// The scope named so; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// What somebody or something may spend in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub scope: BudgetScope,
    /// Whose it is; [`EACH`] for each subject by itself.
    pub name: String,
    /// After which counting begins anew.
    pub period: Period,
    /// What may be spent in a period.
    pub limit: Cost,
    /// The share of the limit, in percent, at which somebody is told.
    pub alert_at_percent: Option<u8>,
    /// Whether a run that meets the limit waits until there is room, instead of ending.
    pub pause_on_exceed: bool,
    /// Where its days and months begin.
    pub zone: Zone,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The API key that did.
    pub updated_by: Option<String>,
}

impl Budget {
    /// Whether each subject of its scope has a counter of its own.
    pub fn is_for_each(&self) -> bool {
        self.name == EACH && self.scope != BudgetScope::Install
    }

    /// From which amount on somebody is told.
    fn alert_at(&self) -> Option<i64> {
        let percent = i128::from(self.alert_at_percent?);
        i64::try_from(i128::from(self.limit.as_micros()) * percent / 100).ok()
    }
}

impl TryFrom<budget::Model> for Budget {
    type Error = StoreError;

    fn try_from(row: budget::Model) -> Result<Self, StoreError> {
        let unreadable = |what: &'static str, text: &str| StoreError::unreadable(what, &text.to_owned());
        Ok(Self {
            scope: BudgetScope::parse(&row.scope).ok_or_else(|| unreadable("a scope", &row.scope))?,
            period: Period::parse(&row.period).ok_or_else(|| unreadable("a period", &row.period))?,
            limit: Cost::from_micros(row.limit_micros),
            alert_at_percent: row.alert_at_percent.and_then(|percent| u8::try_from(percent).ok()),
            pause_on_exceed: row.pause_on_exceed != 0,
            zone: row.time_zone.parse().map_err(|_| unreadable("a time zone", &row.time_zone))?,
            updated_at: Timestamp::from_millis(row.updated_at),
            updated_by: row.updated_by,
            id: row.id,
            name: row.name,
        })
    }
}

/// What an execution is counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The agent.
    pub agent: String,
    /// The caller's name for what it belongs to.
    pub project: Option<String>,
    /// The caller's name for whom it is.
    pub user: Option<String>,
    /// The API key that submitted it.
    pub key: Option<String>,
    /// The execution that began its session.
    pub session: String,
}

impl Labels {
    /// Its subject in budgets of `scope`; `None` where no such budget is about it.
    fn subject(&self, scope: BudgetScope) -> Option<&str> {
        match scope {
            BudgetScope::Install => Some(EACH),
            BudgetScope::Project => self.project.as_deref(),
            BudgetScope::User => self.user.as_deref(),
            BudgetScope::Key => self.key.as_deref(),
            BudgetScope::Session => Some(&self.session),
        }
    }
}

impl From<labels::Model> for Labels {
    fn from(row: labels::Model) -> Self {
        Self {
            agent: row.agent,
            project: row.project,
            user: row.user_label,
            key: row.created_by,
            session: row.session_root.unwrap_or(row.home),
        }
    }
}

/// A budget that has no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceededBudget {
    /// The budget.
    pub budget: Budget,
    /// Whose counter of it; [`EACH`] for the installation.
    pub subject: String,
    /// What was spent in the present period.
    pub spent: Cost,
    /// What is set aside for jobs that have not ended.
    pub reserved: Cost,
    /// What was to be set aside beyond that; nothing where a run met the limit.
    pub requested: Cost,
    /// When counting begins anew, where it does.
    pub resets_at: Option<Timestamp>,
}

impl fmt::Display for ExceededBudget {
    /// Whose it is, how it stands, and when there is room again, for callers and for the message of a run that it ended.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { budget, subject, spent, reserved, requested, resets_at } = self;
        match budget.scope {
            BudgetScope::Install => f.write_str("the budget of this installation")?,
            scope => write!(f, "the budget of the {} `{subject}`", scope.as_str())?,
        }
        let per = match budget.period {
            Period::Day => "per day",
            Period::Month => "per month",
            Period::Total => "in total",
        };
        write!(f, " is {} {per}: {spent} are spent and {reserved} set aside", budget.limit)?;
        if *requested > Cost::default() {
            write!(f, ", and {requested} more do not fit")?;
        }
        match resets_at {
            Some(at) => write!(f, "; counting begins anew at {at}"),
            None => f.write_str("; it has to be raised before anything more fits"),
        }
    }
}

/// A budget of which so much was spent that somebody is to be told. Happens once in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetAlert {
    /// The budget.
    pub budget: Budget,
    /// Whose counter of it; [`EACH`] for the installation.
    pub subject: String,
    /// What was spent in the present period.
    pub spent: Cost,
    /// The execution whose request did it.
    pub execution: ExecutionId,
}
