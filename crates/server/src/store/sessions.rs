//! The files of agents' sessions, so that any node can continue them.

use legwork_model::Timestamp;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::append::recordable_session;
use super::connect::Store;
use super::entity::session;
use super::error::StoreError;
use super::transaction::Transaction;
use super::write::Write;

/// Keeps the files of a session instead of what was kept of it before.
#[derive(Debug)]
pub struct KeepSession {
    /// The agent.
    pub agent: String,
    /// Its own id of the session.
    pub session_id: String,
    /// The files, packed.
    pub files: Vec<u8>,
    /// When.
    pub now: Timestamp,
}

impl Write for KeepSession {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let Some(session_id) = recordable_session(Some(&self.session_id)) else { return Ok(()) };
        let earlier = session::Entity::delete_many()
            .filter(session::Column::Agent.eq(self.agent.as_str()))
            .filter(session::Column::SessionId.eq(session_id));
        tx.execute(earlier).await?;
        let row = session::ActiveModel {
            agent: ActiveValue::Set(self.agent.clone()),
            session_id: ActiveValue::Set(session_id.to_owned()),
            files: ActiveValue::Set(self.files.clone()),
            at: ActiveValue::Set(self.now.as_millis()),
        };
        tx.execute(session::Entity::insert(row)).await.map(drop)
    }
}

/// Forgets the files of sessions that nobody continued since a moment.
#[derive(Debug)]
pub struct PruneSessions {
    /// That moment.
    pub before: Timestamp,
}

impl Write for PruneSessions {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let old = session::Entity::delete_many().filter(session::Column::At.lt(self.before.as_millis()));
        tx.execute(old).await.map(drop)
    }
}

impl Store {
    /// The files of a session, packed; `None` where none are kept.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn session_files(&self, agent: &str, session_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (agent.to_owned(), session_id.to_owned());
        Ok(session::Entity::find_by_id(key).one(&self.reads).await?.map(|row| row.files))
    }
}
