//! What somebody wants of an agent while it runs. Whoever gives an order may talk to another node than the one that runs
//! the agent, so orders are on record.

use legwork_model::{ExecutionId, ExecutionState, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::append::number;
use super::connect::Store;
use super::entity::{execution, order};
use super::error::StoreError;
use super::finish::row;
use super::transaction::Transaction;
use super::write::Write;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OrderBody {
    /// A further message for the agent.
    Message {
        /// The message.
        text: String,
    },
    /// The end of its turn.
    Interrupt,
    /// What was decided about a call of a tool.
    Decide {
        /// The agent's id of its request.
        request: String,
        /// The tool.
        tool: String,
        /// Whether it may be used.
        allowed: bool,
        /// For the agent where it may not: why.
        reason: String,
        /// Who decided.
        by: String,
    },
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Its number within the execution, from 1.
    pub number: u64,
    /// What is wanted.
    pub body: OrderBody,
}

/// Gives an order.
#[derive(Debug, Clone)]
pub struct PutOrder {
    /// To which execution.
    pub id: ExecutionId,
    /// What is wanted.
    pub body: OrderBody,
    /// The API key that gives it.
    pub created_by: Option<String>,
    /// The caller's promise that orders with this key are one and the same.
    pub key: Option<String>,
    /// When.
    pub now: Timestamp,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// It is on record, and will be heard.
    Recorded,
    /// The execution has ended.
    Finished(ExecutionState),
    /// There is none of that id.
    Unknown,
}

impl Write for PutOrder {
    type Output = Ordered;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Ordered, DbErr> {
        let id = self.id.to_string();
        if self.is_known(tx, &id).await? {
            return Ok(Ordered::Recorded);
        }
        let open = [ExecutionState::Queued, ExecutionState::Running].map(ExecutionState::as_str);
        let counted = execution::Entity::update_many()
            .filter(execution::Column::Id.eq(id.as_str()))
            .filter(execution::Column::State.is_in(open))
            .col_expr(execution::Column::Orders, Expr::col(execution::Column::Orders).add(1));
        let counted = tx.execute(counted).await? > 0;
        let Some(row) = row(tx, &id).await? else { return Ok(Ordered::Unknown) };
        if !counted {
            return match ExecutionState::parse(&row.state) {
                Some(state) => Ok(Ordered::Finished(state)),
                None => Err(DbErr::Custom(format!("{id} is in an unknown state"))),
            };
        }
        let order = order::ActiveModel {
            execution_id: ActiveValue::Set(id),
            number: ActiveValue::Set(row.orders),
            body: ActiveValue::Set(json(&self.body)?),
            created_by: ActiveValue::Set(self.created_by.clone()),
            idempotency_key: ActiveValue::Set(self.key.clone()),
            at: ActiveValue::Set(self.now.as_millis()),
        };
        tx.execute(order::Entity::insert(order)).await?;
        Ok(Ordered::Recorded)
    }
}

impl PutOrder {
    /// Whether the same order was given before.
    async fn is_known(&self, tx: &Transaction<'_>, id: &str) -> Result<bool, DbErr> {
        let Some(key) = &self.key else { return Ok(false) };
        // Two of them wait for each other here, so that the second one sees the first.
        let touched = execution::Entity::update_many()
            .filter(execution::Column::Id.eq(id))
            .col_expr(execution::Column::Orders, Expr::col(execution::Column::Orders));
        tx.execute(touched).await?;
        let same = order::Entity::find()
            .filter(order::Column::ExecutionId.eq(id))
            .filter(order::Column::IdempotencyKey.eq(key.as_str()));
        Ok(tx.one(same).await?.is_some())
    }
}

fn json(body: &OrderBody) -> Result<String, DbErr> {
    serde_json::to_string(body).map_err(|error| DbErr::Custom(error.to_string()))
}

impl Store {
    /// The orders with a number above `after`.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn orders_after(&self, id: ExecutionId, after: u64) -> Result<Vec<OrderRecord>, StoreError> {
        let rows = order::Entity::find()
            .filter(order::Column::ExecutionId.eq(id.to_string()))
            .filter(order::Column::Number.gt(number(after)?))
            .order_by_asc(order::Column::Number)
            .all(&self.reads)
            .await?;
        let order = |row: order::Model| {
            let body = serde_json::from_str(&row.body).map_err(|error| StoreError::unreadable("an order", &error))?;
            Ok(OrderRecord { number: u64::try_from(row.number).unwrap_or(0), body })
        };
        rows.into_iter().map(order).collect()
    }
}
