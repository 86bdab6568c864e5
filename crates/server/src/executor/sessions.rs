//! Sessions travel: their files are kept with the record, and laid down again where an agent is to continue one that it does
//! not have.

use legwork_agents::Agent;
use legwork_runner::RunDirs;

use super::execute::Executor;
use crate::mask::Mask;
use crate::store::StoreError;
use crate::store::sessions::KeepSession;

/// What the database takes in one row.
const MOST_IN_A_ROW: usize = 2 * 1024 * 1024;
const LEVEL: i32 = 3;

impl Executor {
    /// Keeps the files of a session as they are now. Where that fails, it can be continued on this machine alone.
    pub(super) async fn keep_session(&self, agent: &'static dyn Agent, home: &RunDirs, session_id: &str) {
        let (places, dirs, mark) = (agent.session_dirs(), home.clone(), agent.session_mark(session_id).to_owned());
        if mark.is_empty() || !places.iter().any(|place| home.home().join(place).is_dir()) {
            return;
        }
        let mask = self.mask.of_all();
        let pack = move || {
            let archive = dirs.pack_session(places, &mark, |file| without_secrets(&mask, file))?;
            archive.map(|archive| zstd::bulk::compress(&archive, LEVEL)).transpose()
        };
        let packed = tokio::task::spawn_blocking(pack).await;
        let files = match packed {
            Ok(Ok(Some(files))) if files.len() <= MOST_IN_A_ROW => files,
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(error)) => return tracing::warn!(%error, "the files of a session can't be kept"),
        };
        let (agent, session_id) = (agent.name().to_owned(), session_id.to_owned());
        let kept = self.store.write(KeepSession { agent, session_id, files, now: self.clock.now() }).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "the files of a session can't be kept");
        }
    }

    /// Lays the files of a session down, where they are not there and were kept.
    pub(super) async fn restore_session(
        &self,
        agent: &'static dyn Agent,
        home: &RunDirs,
        session_id: &str,
    ) -> Result<(), StoreError> {
        let (places, dirs, mark) = (agent.session_dirs(), home.clone(), agent.session_mark(session_id).to_owned());
        // Where that can't be told, nothing is written over.
        let is_there = move || dirs.has_session(places, &mark).unwrap_or(true);
        if places.is_empty() || tokio::task::spawn_blocking(is_there).await.unwrap_or(true) {
            return Ok(());
        }
        let Some(files) = self.store.session_files(agent.name(), session_id).await? else { return Ok(()) };
        let dirs = home.clone();
        let unpack = move || dirs.unpack_session(places, &zstd::stream::decode_all(files.as_slice())?);
        match tokio::task::spawn_blocking(unpack).await {
            Ok(Err(error)) => tracing::warn!(%error, "the files of a session can't be laid down"),
            _ => tracing::info!(session = session_id, "a session goes on here that began elsewhere"),
        }
        Ok(())
    }

    /// Makes the files of a session such as its program takes them up.
    pub(super) async fn settle_session(&self, agent: &'static dyn Agent, home: &RunDirs, session: &str) {
        let Some(name) = agent.session_file(session) else { return };
        let (places, dirs, mark) = (agent.session_dirs(), home.clone(), agent.session_mark(session).to_owned());
        let settle = move || dirs.settle_session(places, &mark, &name);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(settle).await {
            tracing::warn!(%error, "the files of a session can't be settled");
        }
    }
}

/// What an agent wrote down of what it read. A database of its own would be broken by it: such a session stays where it is.
fn without_secrets(mask: &Mask, file: Vec<u8>) -> Option<Vec<u8>> {
    match std::str::from_utf8(&file) {
        Ok(_) => Some(mask.apply_to_output(file)),
        Err(_) => (mask.apply_to_bytes(file.clone()) == file).then_some(file),
    }
}
