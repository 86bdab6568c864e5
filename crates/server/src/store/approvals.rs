//! Calls of tools that somebody was asked about: each is decided once, by a person or by the clock.

use legwork_model::{ExecutionId, Risk, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::connect::Store;
use super::entity::approval;
use super::error::StoreError;
use super::orders::{OrderBody, Ordered, PutOrder};
use super::transaction::Transaction;
use super::write::Write;

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody has decided yet.
    Pending,
    /// The call may be made.
    Allowed,
    /// The call may not be made.
    Denied,
    /// Nobody decided in time; the call was not made.
    Expired,
}

impl ApprovalState {
    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Allowed, Self::Denied, Self::Expired].into_iter().find(|state| state.as_str() == name)
    }
}

/// One call of a tool that somebody was asked about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its id.
    #[schema(example = "apr_0f9a8b7c6d5e4f3a2b1c0d9e8f")]
    pub id: String,
    /// The execution whose agent asks.
    pub execution_id: ExecutionId,
    /// The agent's own id of its request.
    #[serde(skip)]
    pub request: String,
    /// The tool.
    pub tool: String,
    /// What it would be called with.
    pub input: Value,
    /// What the call may do.
    pub risk: Risk,
    /// SHA-256 over tool and input, to be repeated by whoever decides: what is decided is this call and no other.
    pub digest: String,
    /// Where it stands.
    pub state: ApprovalState,
    /// When the agent asked.
    pub created_at: Timestamp,
    /// When it is refused, unless somebody decides before.
    pub expires_at: Timestamp,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

/// Puts a question on record.
#[derive(Debug)]
pub struct Ask(pub Approval);

impl Write for Ask {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let asked = &self.0;
        let row = approval::ActiveModel {
            id: ActiveValue::Set(asked.id.clone()),
            execution_id: ActiveValue::Set(asked.execution_id.to_string()),
            request_id: ActiveValue::Set(asked.request.clone()),
            tool: ActiveValue::Set(asked.tool.clone()),
            input: ActiveValue::Set(asked.input.to_string()),
            risk: ActiveValue::Set(asked.risk.as_str().to_owned()),
            digest: ActiveValue::Set(asked.digest.clone()),
            state: ActiveValue::Set(asked.state.as_str().to_owned()),
            created_at: ActiveValue::Set(asked.created_at.as_millis()),
            expires_at: ActiveValue::Set(asked.expires_at.as_millis()),
            decided_at: ActiveValue::Set(None),
            decided_by: ActiveValue::Set(None),
        };
        tx.execute(approval::Entity::insert(row)).await.map(drop)
    }
}

/// Decides a question, and orders the agent's owner to tell it.
#[derive(Debug)]
pub struct Decide {
    /// The question as it was looked at.
    pub approval: Approval,
    /// Whether the call may be made.
    pub allowed: bool,
    /// For the agent where it may not: why.
    pub reason: String,
    /// Who decides.
    pub by: Option<String>,
    /// When.
    pub now: Timestamp,
}

impl Write for Decide {
    /// Whether this decision counts; else there was another before, or it is too late.
    type Output = bool;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        let state = if self.allowed { ApprovalState::Allowed } else { ApprovalState::Denied };
        let by = self.by.clone().unwrap_or_else(|| "local".to_owned());
        let update = pending(&self.approval.id)
            .filter(approval::Column::ExpiresAt.gt(self.now.as_millis()))
            .col_expr(approval::Column::State, Expr::value(state.as_str()))
            .col_expr(approval::Column::DecidedAt, Expr::value(self.now.as_millis()))
            .col_expr(approval::Column::DecidedBy, Expr::value(by.as_str()));
        if tx.execute(update).await? == 0 {
            return Ok(false);
        }
        let body = OrderBody::Decide {
            request: self.approval.request.clone(),
            tool: self.approval.tool.clone(),
            allowed: self.allowed,
            reason: self.reason.clone(),
            by,
        };
        let order =
            PutOrder { id: self.approval.execution_id, body, created_by: self.by.clone(), key: None, now: self.now };
        Ok(order.apply(tx).await? == Ordered::Recorded)
    }
}

/// Closes a question that nobody decided.
#[derive(Debug)]
pub struct Expire {
    /// Which.
    pub id: String,
    /// When.
    pub now: Timestamp,
}

impl Write for Expire {
    /// Whether it was still open.
    type Output = bool;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        let update = pending(&self.id)
            .col_expr(approval::Column::State, Expr::value(ApprovalState::Expired.as_str()))
            .col_expr(approval::Column::DecidedAt, Expr::value(self.now.as_millis()));
        Ok(tx.execute(update).await? > 0)
    }
}

fn pending(id: &str) -> sea_orm::UpdateMany<approval::Entity> {
    approval::Entity::update_many()
        .filter(approval::Column::Id.eq(id))
        .filter(approval::Column::State.eq(ApprovalState::Pending.as_str()))
}

impl Store {
    /// One approval.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        let row = approval::Entity::find_by_id(id).one(&self.reads).await?;
        row.map(Approval::try_from).transpose()
    }

    /// The newest question of an agent by that name of its own, decided or not.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn approval_of(&self, execution: ExecutionId, request: &str) -> Result<Option<Approval>, StoreError> {
        let row = approval::Entity::find()
            .filter(approval::Column::ExecutionId.eq(execution.to_string()))
            .filter(approval::Column::RequestId.eq(request))
            .order_by_desc(approval::Column::CreatedAt)
            .one(&self.reads)
            .await?;
        row.map(Approval::try_from).transpose()
    }

    /// The newest approvals, of one execution or of one state where that is given.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn approvals(
        &self,
        execution: Option<ExecutionId>,
        state: Option<ApprovalState>,
        limit: u64,
    ) -> Result<Vec<Approval>, StoreError> {
        let mut rows = approval::Entity::find();
        if let Some(execution) = execution {
            rows = rows.filter(approval::Column::ExecutionId.eq(execution.to_string()));
        }
        if let Some(state) = state {
            rows = rows.filter(approval::Column::State.eq(state.as_str()));
        }
        let rows = rows.order_by_desc(approval::Column::CreatedAt).limit(limit).all(&self.reads).await?;
        rows.into_iter().map(Approval::try_from).collect()
    }
}

impl TryFrom<approval::Model> for Approval {
    type Error = StoreError;

    fn try_from(row: approval::Model) -> Result<Self, StoreError> {
        let unreadable = |what: &'static str, text: &str| StoreError::unreadable(what, &text.to_owned());
        Ok(Self {
            execution_id: row.execution_id.parse().map_err(|_| unreadable("an execution id", &row.execution_id))?,
            request: row.request_id,
            input: serde_json::from_str(&row.input).map_err(|error| StoreError::unreadable("an input", &error))?,
            risk: Risk::parse(&row.risk).ok_or_else(|| unreadable("a risk", &row.risk))?,
            state: ApprovalState::parse(&row.state).ok_or_else(|| unreadable("a state", &row.state))?,
            id: row.id,
            tool: row.tool,
            digest: row.digest,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            decided_at: row.decided_at.map(Timestamp::from_millis),
            decided_by: row.decided_by,
        })
    }
}
