//! Writing what events tell of uses of tools.

use legwork_model::Timestamp;
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, DbErr, EntityTrait, Iterable, QueryFilter};

use super::{CallFacts, Ruling, ToolDecision, ToolUseNews};
use crate::store::append::number;
use crate::store::entity::tool_use;
use crate::store::record::NewEvent;
use crate::store::transaction::Transaction;

/// Writes what `events`, the first of which has number `first`, tell of uses of tools.
pub(in crate::store) async fn record_tool_uses(
    tx: &Transaction<'_>,
    id: &str,
    first: i64,
    events: &[NewEvent],
) -> Result<(), DbErr> {
    let mut begun: Vec<tool_use::ActiveModel> = Vec::new();
    let mut later = Vec::new();
    for (seq, event) in (first..).zip(events) {
        let Some(news) = event.tool_use.as_deref() else { continue };
        let (of, known) = read(news, event.at)?;
        match of.and_then(|of| begun.iter_mut().find(|row| row.seq == ActiveValue::Set(of))) {
            Some(row) => merge(row, &known),
            None => match of {
                Some(of) => later.push((of, known)),
                None => begun.push(row(id, seq, event, &known)),
            },
        }
    }
    if !begun.is_empty() {
        tx.execute(tool_use::Entity::insert_many(begun)).await?;
    }
    for (of, known) in later {
        let update = tool_use::Entity::update_many()
            .set(known)
            .filter(tool_use::Column::ExecutionId.eq(id))
            .filter(tool_use::Column::Seq.eq(of));
        tx.execute(update).await?;
    }
    Ok(())
}

/// The columns that `news` knows, and the number of the use where it is on record.
fn read(news: &ToolUseNews, at: Timestamp) -> Result<(Option<i64>, tool_use::ActiveModel), DbErr> {
    let mut row = nothing();
    let of = match news {
        ToolUseNews::Begun { tool, call, ruling } => {
            row.tool = ActiveValue::Set(tool.clone());
            describe(&mut row, call);
            decide(&mut row, ruling.as_ref().map(|ruling| (ruling, at)));
            None
        }
        ToolUseNews::Described { of, call } => {
            describe(&mut row, call);
            Some(number(*of)?)
        }
        ToolUseNews::Ruled { of, ruling } => {
            decide(&mut row, Some((ruling, at)));
            Some(number(*of)?)
        }
    };
    Ok((of, row))
}

fn describe(row: &mut tool_use::ActiveModel, call: &CallFacts) {
    row.digest = ActiveValue::Set(call.digest.clone());
    row.risk = ActiveValue::Set(call.risk.map(|risk| risk.as_str().to_owned()));
    if call.approval.is_some() {
        row.approval_id = ActiveValue::Set(call.approval.clone());
        // Whatever a rule said to a part of the call before.
        decide(row, None);
    }
}

fn decide(row: &mut tool_use::ActiveModel, ruling: Option<(&Ruling, Timestamp)>) {
    let decision = match ruling {
        None => ToolDecision::Pending,
        Some((Ruling { allowed: true, .. }, _)) => ToolDecision::Allowed,
        Some((Ruling { allowed: false, .. }, _)) => ToolDecision::Denied,
    };
    row.decision = ActiveValue::Set(decision.as_str().to_owned());
    row.decided_by = ActiveValue::Set(ruling.map(|(ruling, _)| ruling.by.clone()));
    row.decided_at = ActiveValue::Set(ruling.map(|(_, at)| at.as_millis()));
}

/// A whole row: all rows of one statement need the same columns.
fn row(id: &str, seq: i64, event: &NewEvent, known: &tool_use::ActiveModel) -> tool_use::ActiveModel {
    let mut row = tool_use::ActiveModel {
        execution_id: ActiveValue::Set(id.to_owned()),
        seq: ActiveValue::Set(seq),
        at: ActiveValue::Set(event.at.as_millis()),
        turn: ActiveValue::Set(event.turn.and_then(|turn| i32::try_from(turn).ok())),
        approval_id: ActiveValue::Set(None),
        ..nothing()
    };
    merge(&mut row, known);
    row
}

fn merge(row: &mut tool_use::ActiveModel, known: &tool_use::ActiveModel) {
    for column in tool_use::Column::iter() {
        if let ActiveValue::Set(value) = known.get(column) {
            row.set(column, value);
        }
    }
}

/// A row of which nothing is known.
fn nothing() -> tool_use::ActiveModel {
    <tool_use::ActiveModel as ActiveModelTrait>::default()
}
