//! API keys on record.

use legwork_model::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::connect::Store;
use super::entity::api_key;
use super::error::StoreError;
use super::transaction::Transaction;
use super::write::Write;

/// One API key as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Its id.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// SHA-256 of the key, in hex.
    pub hash: String,
    /// Comma-separated permissions.
    pub permissions: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl From<api_key::Model> for ApiKeyRecord {
    fn from(row: api_key::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            hash: row.hash,
            permissions: row.permissions,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        }
    }
}

/// Puts a key on record. A name that is taken is an error ([`StoreError::is_duplicate`]).
#[derive(Debug)]
pub struct AddApiKey(pub ApiKeyRecord);

impl Write for AddApiKey {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let row = api_key::ActiveModel {
            id: ActiveValue::Set(self.0.id.clone()),
            name: ActiveValue::Set(self.0.name.clone()),
            hash: ActiveValue::Set(self.0.hash.clone()),
            permissions: ActiveValue::Set(self.0.permissions.clone()),
            created_at: ActiveValue::Set(self.0.created_at.as_millis()),
            expires_at: ActiveValue::Set(self.0.expires_at.map(Timestamp::as_millis)),
            revoked_at: ActiveValue::NotSet,
        };
        tx.execute(api_key::Entity::insert(row)).await.map(drop)
    }
}

/// Revokes the key of that name; tells whether there was one to revoke.
#[derive(Debug)]
pub struct RevokeApiKey {
    /// The operator's name for it.
    pub name: String,
    /// The present time.
    pub now: Timestamp,
}

impl Write for RevokeApiKey {
    type Output = bool;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        let update = api_key::Entity::update_many()
            .filter(api_key::Column::Name.eq(self.name.as_str()))
            .filter(api_key::Column::RevokedAt.is_null())
            .col_expr(api_key::Column::RevokedAt, Expr::value(self.now.as_millis()));
        Ok(tx.execute(update).await? > 0)
    }
}

impl Store {
    /// Whether there is any key, also a revoked one: once keys were used, the door never opens without one again.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn has_api_keys(&self) -> Result<bool, StoreError> {
        Ok(api_key::Entity::find().count(&self.reads).await? > 0)
    }

    /// The key with that hash.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let row = api_key::Entity::find().filter(api_key::Column::Hash.eq(hash)).one(&self.reads).await?;
        Ok(row.map(ApiKeyRecord::from))
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let rows = api_key::Entity::find().order_by_asc(api_key::Column::CreatedAt).all(&self.reads).await?;
        Ok(rows.into_iter().map(ApiKeyRecord::from).collect())
    }
}
