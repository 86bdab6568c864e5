//! What runs leave: their output and their patch, and on disk the directories that they worked in.
//!
//! Output and patch are packed into the row of the execution, where every node can read them. Until its end the output
//! of a run is in a file, and so is, packed, what is too large for a row.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use legwork_agents::Agent;
use legwork_model::ExecutionId;
use legwork_runner::{Output, RunDirs};
use zstd::bulk::Compressor;

use super::execute::Executor;
use crate::mask::Mask;
use crate::store::kept::{Forget, Kept};
use crate::store::{ExecutionRecord, StoreError};

/// What is larger, packed, stays in a file: databases don't like large rows.
const MOST_IN_A_ROW: usize = 2 * 1024 * 1024;
/// Higher levels take longer than they save.
const LEVEL: i32 = 3;

impl Executor {
    /// Packs what a run leaves, without the service's secrets.
    pub(super) async fn keep(
        &self,
        record: &ExecutionRecord,
        dirs: RunDirs,
        output: Option<Output>,
        patch: Option<Output>,
    ) -> Kept {
        let in_memory = |output: &Option<Output>| !matches!(output, Some(Output::File(_)));
        let packing = Packing { mask: self.mask_of(record.id), dirs, output, patch, has_output: record.parks > 0 };
        if in_memory(&packing.output) && in_memory(&packing.patch) && !packing.has_output {
            return packing.pack();
        }
        tokio::task::spawn_blocking(move || packing.pack()).await.unwrap_or_default()
    }

    /// Puts the output of a run that waits where its next attempt adds to it.
    pub(super) async fn put_by(&self, id: ExecutionId, kept: &Kept) {
        // What is too large for a row is there already.
        let Some(output) = kept.output.clone() else { return };
        let dirs = RunDirs::of(&self.runs, id);
        let written = tokio::task::spawn_blocking(move || {
            dirs.create_kept()?;
            fs::write(packed(&dirs.stdout()), output)
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(execution = %id, %error, "what a run printed before it waits can't be kept");
        }
    }

    /// The agent's raw output as kept, without the service's secrets; `None` where nothing is kept.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn output(&self, execution: &ExecutionRecord) -> Result<Option<Bytes>, StoreError> {
        let kept = self.store.kept(execution.id).await?.output;
        let raw = RunDirs::of(&self.runs, execution.id).stdout();
        let packed = unpacked(kept, &packed(&raw)).await;
        if execution.state.is_finished() && packed.is_some() {
            return Ok(packed.map(Bytes::from));
        }
        // It still runs, or its server was killed. What is packed was printed before it last waited.
        let so_far = tokio::fs::read(raw).await.ok();
        let so_far = so_far.map(|bytes| self.mask_of(execution.id).apply_to_output_so_far(bytes));
        let runs_here = execution.lease_owner.as_ref() == Some(&self.node);
        let is_known = packed.is_some() || so_far.is_some() || runs_here;
        Ok(is_known.then(|| [packed.unwrap_or_default(), so_far.unwrap_or_default()].concat().into()))
    }

    /// What the run changed, as a git diff; `None` where none is kept.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn patch(&self, id: ExecutionId) -> Result<Option<Bytes>, StoreError> {
        let kept = self.store.kept(id).await?.patch;
        let file = packed(&RunDirs::of(&self.runs, id).patch());
        Ok(unpacked(kept, &file).await.map(Bytes::from))
    }

    /// Whether the agent of that execution printed anything, as far as its file tells.
    pub async fn has_output(&self, id: ExecutionId) -> bool {
        let stdout = RunDirs::of(&self.runs, id).stdout();
        tokio::fs::metadata(stdout).await.is_ok_and(|file| file.len() > 0)
    }

    /// The executions whose directories are kept.
    pub async fn kept_runs(&self) -> Vec<ExecutionId> {
        let mut kept = Vec::new();
        let Ok(mut entries) = tokio::fs::read_dir(&self.runs).await else { return kept };
        while let Ok(Some(entry)) = entries.next_entry().await {
            kept.extend(entry.file_name().to_str().and_then(RunDirs::owner));
        }
        // Most have two directories.
        kept.sort_unstable();
        kept.dedup();
        kept
    }

    /// Removes all that an execution left but its record.
    ///
    /// # Errors
    /// Where the database does not take it; then nothing was removed.
    pub async fn remove_run(&self, id: ExecutionId) -> Result<(), StoreError> {
        self.store.write(Forget { id }).await?;
        let dirs = RunDirs::of(&self.runs, id);
        let removed = tokio::task::spawn_blocking(move || dirs.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(execution = %id, %error, "failed to remove an old run's directories");
        }
        Ok(())
    }

    /// Removes the credentials that runs of an earlier process of this node left in their directories, but for the runs that
    /// go on.
    pub async fn remove_credentials(&self, but: &[ExecutionId]) {
        let files: Vec<PathBuf> =
            self.config.known_agents.all().flat_map(Agent::credential_files).map(PathBuf::from).collect();
        for id in self.kept_runs().await.into_iter().filter(|id| !but.contains(id)) {
            RunDirs::of(&self.runs, id).unplace(&files);
        }
    }

    /// Removes directories that were made ahead of jobs which never came.
    pub async fn remove_abandoned(&self) {
        let runs = self.runs.clone();
        let removed = tokio::task::spawn_blocking(move || RunDirs::remove_abandoned(&runs)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "failed to remove directories that nobody uses");
        }
    }

    /// Kills what an earlier process of this node left running; says how many processes that were.
    pub async fn sweep(&self) -> usize {
        match self.runner.sweep(&self.node).await {
            Ok(leftovers) => leftovers.len(),
            Err(error) => {
                tracing::error!(%error, "failed to look for processes that an earlier server left");
                0
            }
        }
    }
}

/// What a run left, on its way into its row.
struct Packing {
    mask: Mask,
    dirs: RunDirs,
    output: Option<Output>,
    patch: Option<Output>,
    /// Whether output of an earlier attempt may be packed already.
    has_output: bool,
}

impl Packing {
    /// May take a while where there are files.
    fn pack(self) -> Kept {
        let Self { mask, dirs, output, patch, has_output } = self;
        type Clean = fn(&Mask, Vec<u8>) -> Vec<u8>;
        let pack = |output: Option<Output>, clean: Clean, file: &Path, before: &[u8]| {
            packed_for_a_row(|bytes| clean(&mask, bytes), output?, file, before).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "what a run left can't be packed; it stays where it is");
                None
            })
        };
        let before = has_output.then(|| fs::read(packed(&dirs.stdout())).ok()).flatten().unwrap_or_default();
        // An attempt that printed nothing does not take away what was printed before.
        let output = output.or_else(|| has_output.then(Output::default));
        let kept = Kept {
            output: pack(output, Mask::apply_to_output, &dirs.stdout(), &before),
            patch: pack(patch, Mask::apply_to_patch, &dirs.patch(), &[]),
            fingerprint: None,
        };
        if has_output && kept.output.is_some() {
            let _ = fs::remove_file(packed(&dirs.stdout()));
        }
        dirs.tidy();
        kept
    }
}

/// Packs it behind what was packed before, and removes its file. What is too large for a row goes into another file.
fn packed_for_a_row(
    clean: impl Fn(Vec<u8>) -> Vec<u8>,
    output: Output,
    file: &Path,
    before: &[u8],
) -> io::Result<Option<Vec<u8>>> {
    let in_file = matches!(output, Output::File(_));
    let bytes = clean(output.read()?);
    let compressed = if bytes.is_empty() { bytes } else { compress(&bytes)? };
    // Packed pieces after one another are unpacked as one.
    let compressed = [before, &compressed].concat();
    let fits = compressed.len() <= MOST_IN_A_ROW;
    if !fits {
        fs::write(packed(file), &compressed)?;
    }
    if in_file {
        fs::remove_file(file)?;
    }
    Ok(fits.then_some(compressed))
}

/// Making a compressor costs more than compressing what most runs print, so each thread keeps one.
fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(bytes)
    })
}

/// Where a file is kept when it is packed.
fn packed(file: &Path) -> PathBuf {
    file.with_extension("zst")
}

async fn unpacked(kept: Option<Vec<u8>>, file: &Path) -> Option<Vec<u8>> {
    let compressed = match kept {
        Some(compressed) => compressed,
        None => tokio::fs::read(file).await.ok()?,
    };
    if compressed.is_empty() {
        return Some(compressed);
    }
    tokio::task::spawn_blocking(move || zstd::stream::decode_all(compressed.as_slice()).ok()).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_large_for_a_row_is_packed_into_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stdout");
        // Numbers that no compression gets hold of.
        let noise = (0..3 * 1024 * 1024_u64).scan(1_u64, |state, _| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some((*state >> 56) as u8)
        });
        let large: Vec<u8> = noise.collect();
        fs::write(&file, &large).expect("written");
        let kept = packed_for_a_row(|bytes| bytes, Output::File(file.clone()), &file, &[]).expect("packed");
        assert_eq!(kept, None);
        assert!(!file.exists(), "the raw output is gone");
        assert_eq!(unpacked(kept, &packed(&file)).await, Some(large));
    }

    #[tokio::test]
    async fn what_was_printed_before_a_run_waited_comes_first() {
        let packed = |text: &str, before: &[u8]| {
            packed_for_a_row(|bytes| bytes, Output::Memory(text.into()), Path::new("unused"), before)
                .expect("packed")
                .expect("small")
        };
        let one = packed("one ", &[]);
        let all = packed("three", &packed("", &packed("two ", &one)));
        assert_eq!(unpacked(Some(all), Path::new("unused")).await.as_deref(), Some(b"one two three".as_slice()));
    }

    #[tokio::test]
    async fn what_fits_into_a_row_comes_back_as_it_was_but_for_secrets() {
        let mask = Mask::new(["sk-ant-0123456789"]);
        for (bytes, expected) in [
            (b"".as_slice(), b"".as_slice()),
            (b"key sk-ant-0123456789\n", b"key ***\n"),
            (b"\x00\xffsk-ant-0123456789", b"\x00\xff***"),
        ] {
            let kept = packed_for_a_row(
                |bytes| mask.apply_to_output(bytes),
                Output::Memory(bytes.to_vec()),
                Path::new("unused"),
                &[],
            )
            .expect("packed");
            assert_eq!(unpacked(kept, Path::new("unused")).await.as_deref(), Some(expected));
        }
    }
}
