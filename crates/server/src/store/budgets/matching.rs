//! Which budgets are about an execution.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter};

use super::{Budget, BudgetScope, EACH, Labels};
use crate::store::entity::budget;
use crate::store::transaction::Transaction;

/// The budgets that are about what has these labels, each with its subject, in the order in which counters are locked. A
/// budget by name goes before the one for each of the same scope and period.
pub(in crate::store) async fn matching(tx: &Transaction<'_>, labels: &Labels) -> Result<Vec<(Budget, String)>, DbErr> {
    let mut about = Condition::any();
    for scope in BudgetScope::ALL {
        let Some(subject) = labels.subject(scope) else { continue };
        let named = Condition::all()
            .add(budget::Column::Scope.eq(scope.as_str()))
            .add(budget::Column::Name.is_in([subject, EACH]));
        about = about.add(named);
    }
    let mut found = BTreeMap::new();
    for row in tx.all(budget::Entity::find().filter(about)).await? {
        let budget = Budget::try_from(row).map_err(|error| DbErr::Custom(error.to_string()))?;
        let place = (budget.scope, budget.period);
        if budget.name != EACH || !found.contains_key(&place) {
            found.insert(place, budget);
        }
    }
    let subject = |budget: &Budget| labels.subject(budget.scope).unwrap_or(EACH).to_owned();
    let mut found: Vec<_> = found.into_values().map(|budget| (subject(&budget), budget)).collect();
    found.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
    Ok(found.into_iter().map(|(subject, budget)| (budget, subject)).collect())
}
