//! Secrets on record, as they are encrypted.

use legwork_model::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::connect::Store;
use super::entity::secret;
use super::error::StoreError;
use super::transaction::Transaction;
use super::write::Write;

/// One secret as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Its name.
    pub name: String,
    /// The encrypted value.
    pub sealed: String,
    /// The fingerprint of the key that encrypted it.
    pub key_id: String,
    /// When it was set.
    pub updated_at: Timestamp,
}

impl From<secret::Model> for SecretRecord {
    fn from(row: secret::Model) -> Self {
        let updated_at = Timestamp::from_millis(row.updated_at);
        Self { name: row.name, sealed: row.sealed, key_id: row.key_id, updated_at }
    }
}

/// Puts a secret on record, instead of the one of that name if there is one.
#[derive(Debug)]
pub struct SetSecret(pub SecretRecord);

impl Write for SetSecret {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        tx.execute(secret::Entity::delete_many().filter(secret::Column::Name.eq(self.0.name.as_str()))).await?;
        let row = secret::ActiveModel {
            name: ActiveValue::Set(self.0.name.clone()),
            sealed: ActiveValue::Set(self.0.sealed.clone()),
            key_id: ActiveValue::Set(self.0.key_id.clone()),
            updated_at: ActiveValue::Set(self.0.updated_at.as_millis()),
        };
        tx.execute(secret::Entity::insert(row)).await.map(drop)
    }
}

/// Removes a secret; tells whether there was one.
#[derive(Debug)]
pub struct RemoveSecret {
    /// Its name.
    pub name: String,
}

impl Write for RemoveSecret {
    type Output = bool;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        let remove = secret::Entity::delete_many().filter(secret::Column::Name.eq(self.name.as_str()));
        Ok(tx.execute(remove).await? > 0)
    }
}

/// Puts secrets on record as another key encrypts them. One that was set or removed meanwhile stays as it is; tells how many
/// were changed.
#[derive(Debug)]
pub struct ResealSecrets(pub Vec<Resealed>);

/// A secret that two keys encrypted.
#[derive(Debug)]
pub struct Resealed {
    /// What is on record.
    pub before: SecretRecord,
    /// What is to be.
    pub after: SecretRecord,
}

impl Write for ResealSecrets {
    type Output = u64;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<u64, DbErr> {
        let mut changed = 0;
        for Resealed { before, after } in &self.0 {
            let update = secret::Entity::update_many()
                .filter(secret::Column::Name.eq(before.name.as_str()))
                .filter(secret::Column::Sealed.eq(before.sealed.as_str()))
                .col_expr(secret::Column::Sealed, Expr::value(after.sealed.as_str()))
                .col_expr(secret::Column::KeyId, Expr::value(after.key_id.as_str()));
            changed += tx.execute(update).await?;
        }
        Ok(changed)
    }
}

impl Store {
    /// All secrets, by name.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn secrets(&self) -> Result<Vec<SecretRecord>, StoreError> {
        let rows = secret::Entity::find().order_by_asc(secret::Column::Name).all(&self.reads).await?;
        Ok(rows.into_iter().map(SecretRecord::from).collect())
    }

    /// Those of `names` that there are.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn secrets_named(&self, names: &[&str]) -> Result<Vec<SecretRecord>, StoreError> {
        let named = secret::Column::Name.is_in(names.iter().copied());
        let rows = secret::Entity::find().filter(named).all(&self.reads).await?;
        Ok(rows.into_iter().map(SecretRecord::from).collect())
    }
}
