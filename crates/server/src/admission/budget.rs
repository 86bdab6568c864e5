//! The rules for a budget.

use legwork_model::{Cost, ExecutionId, Period, Zone};

use super::check;
use super::keyring::Caller;
use super::refusal::Refusal;
use crate::app::{App, hex};
use crate::parse::nearest;
use crate::store::budgets::{BudgetScope, BudgetState, EACH, NewBudget};

/// A budget as somebody asks for it.
#[derive(Debug, Clone)]
pub struct BudgetRequest {
    /// What it is for.
    pub scope: BudgetScope,
    /// Whose it is; [`EACH`] for each by itself, and for the installation.
    pub name: String,
    /// After which counting begins anew.
    pub period: Period,
    /// What may be spent in a period.
    pub limit: Cost,
    /// The share of the limit, in percent, at which somebody is told.
    pub alert_at_percent: Option<u32>,
    /// Whether a run that meets the limit waits until there is room, instead of ending.
    pub pause_on_exceed: bool,
    /// Where its days and months begin; where the settings say where absent.
    pub time_zone: Option<String>,
}

/// Makes a budget, or replaces the one of the same scope, name and period. Gives it as it stands then.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub async fn put_budget(app: &App, caller: &Caller, request: BudgetRequest) -> Result<BudgetState, Refusal> {
    let now = app.clock.now();
    let new = NewBudget {
        id: format!("bud_{}", hex(&app.ids.secret()[..13])),
        scope: request.scope,
        name: name(app, request.scope, request.name).await?,
        period: request.period,
        limit: request.limit,
        alert_at_percent: request.alert_at_percent.map(percent).transpose()?,
        pause_on_exceed: request.pause_on_exceed,
        zone: zone(request.time_zone, app)?,
        by: caller.key.clone(),
        now,
    };
    let budget = app.store.put_budget(new).await?;
    let state = app.store.budgets(Some(&budget.id), now).await?.pop();
    state.ok_or(Refusal::NoBudget(budget.id))
}

/// The subject that counters go by.
async fn name(app: &App, scope: BudgetScope, name: String) -> Result<String, Refusal> {
    let invalid = |message: String| Refusal::invalid("name", "invalid_name", message);
    if name == EACH {
        return Ok(name);
    }
    match scope {
        BudgetScope::Install => Err(invalid("must be `*` or left out: there is one installation".into())),
        BudgetScope::Project | BudgetScope::User => check::label("name", Some(&name)).map(|()| name),
        // Keys that a door submits by are no API keys.
        BudgetScope::Key if name.starts_with("door:") => check::label("name", Some(&name)).map(|()| name),
        BudgetScope::Key => {
            let known = app.store.api_keys().await?.into_iter().find(|key| key.id == name || key.name == name);
            known
                .map(|key| key.id)
                .ok_or_else(|| invalid("is no API key, neither by name nor by id; `legwork key list` shows all".into()))
        }
        BudgetScope::Session => {
            let none = || invalid("is no execution; name one of the session".into());
            let id: ExecutionId = name.parse().map_err(|_| none())?;
            let known = app.store.execution(id).await?.ok_or_else(none)?;
            Ok(known.session_root.to_string())
        }
    }
}

fn percent(percent: u32) -> Result<u8, Refusal> {
    let within = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
    within.ok_or_else(|| {
        Refusal::invalid("alertAtPercent", "invalid_percent", format!("is {percent}; must be from 1 to 100"))
    })
}

fn zone(name: Option<String>, app: &App) -> Result<Zone, Refusal> {
    let Some(name) = name else { return Ok(app.config.budgets.zone()) };
    name.parse::<Zone>().map_err(|error| {
        let names = Zone::names();
        let near = nearest(&name, names.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Refusal::invalid("timeZone", "unknown_time_zone", format!("{error}{near}"))
    })
}
