//! Takes down what is in a workspace, as a commit in a repository of our own beside it.
//!
//! Git lists the files, because it knows what `.gitignore` leaves out, and gets to see nothing else of the workspace:
//! files are opened here, never through a link, and handed to `git fast-import`. So no filter, attribute or nested
//! repository has any say, and a pipe or a socket in the workspace stays unread.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::patch::{PatchError, PatchLimits};

/// What one look at a workspace found, to tell the next one what has changed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
    /// Whether each of them is in the commit.
    #[serde(default)]
    pub(super) is_whole: bool,
}

impl Snapshot {
    /// Keeps it for a later process of the server; names that are no text can't be kept.
    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        serde_json::to_writer(&mut out, self)?;
        out.flush()
    }

    /// Reads what an earlier process saved.
    pub(super) fn load(file: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }
}

/// Tells that a file was written to without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    /// Can't be set back, unlike the time of modification.
    changed: (i64, i64),
}

/// A file that is not in the patch although it is new or was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// Why.
    pub because: SkippedBecause,
}

/// Why a file is not in a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedBecause {
    /// It is larger than one file may be.
    TooLarge,
    /// It can't be read.
    Unreadable,
}

/// A commit in the words of `git fast-import`.
#[derive(Debug)]
pub(super) struct Import {
    workspace: PathBuf,
    limits: PatchLimits,
    out: BufWriter<File>,
    bytes: u64,
    skipped: Vec<Skipped>,
}

impl Import {
    pub(super) fn new(workspace: PathBuf, limits: PatchLimits, out: &Path) -> io::Result<Self> {
        let out = BufWriter::new(File::create(out)?);
        Ok(Self { workspace, limits, out, bytes: 0, skipped: Vec::new() })
    }

    /// Writes the commit `reference` with the given files, on top of the commit `base` that has those of `before`.
    pub(super) fn commit(
        mut self,
        reference: &str,
        base: Option<(&str, Arc<Snapshot>)>,
        paths: Vec<PathBuf>,
    ) -> Result<(Snapshot, Vec<Skipped>), PatchError> {
        write!(self.out, "commit {reference}\ncommitter legwork <legwork> 0 +0000\ndata 0\n")?;
        let mut before = Arc::default();
        if let Some((name, known)) = base {
            writeln!(self.out, "from {name}")?;
            before = known;
        }
        let mut now = Snapshot::default();
        for path in paths {
            if let Some(stamp) = self.file(&path, before.files.get(&path))? {
                now.files.insert(path, stamp);
            }
        }
        for gone in before.files.keys().filter(|path| !now.files.contains_key(*path)) {
            writeln!(self.out, "D {}", quoted(gone))?;
        }
        self.out.write_all(b"\ndone\n")?;
        self.out.flush()?;
        now.is_whole = self.skipped.is_empty();
        Ok((now, self.skipped))
    }

    /// Writes one file if it differs from what it was; `None` where there is no such file.
    fn file(&mut self, path: &Path, before: Option<&Stamp>) -> Result<Option<Stamp>, PatchError> {
        let full = self.workspace.join(path);
        let Ok(metadata) = fs::symlink_metadata(&full) else { return Ok(None) };
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_symlink() {
            return Ok(None);
        }
        let stamp = Stamp::of(&metadata);
        if before == Some(&stamp) {
            return Ok(Some(stamp));
        }
        if metadata.len() > self.limits.largest_file {
            self.skip(path, SkippedBecause::TooLarge);
            return Ok(Some(stamp));
        }
        let content = if kind.is_symlink() {
            fs::read_link(&full).map(|target| target.into_os_string().into_vec())
        } else {
            read_file(&full, self.limits.largest_file)
        };
        match content {
            Ok(content) => self.content(path, mode(&metadata), &content)?,
            Err(_) => self.skip(path, SkippedBecause::Unreadable),
        }
        Ok(Some(stamp))
    }

    fn content(&mut self, path: &Path, mode: &str, content: &[u8]) -> Result<(), PatchError> {
        self.bytes += content.len() as u64;
        if self.bytes > self.limits.all_files {
            return Err(PatchError::TooLarge(self.limits.all_files));
        }
        write!(self.out, "M {mode} inline {}\ndata {}\n", quoted(path), content.len())?;
        self.out.write_all(content)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn skip(&mut self, path: &Path, because: SkippedBecause) {
        self.skipped.push(Skipped { path: path.to_owned(), because });
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.len(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn mode(metadata: &fs::Metadata) -> &'static str {
    match (metadata.file_type().is_symlink(), metadata.permissions().mode() & 0o100 != 0) {
        (true, _) => "120000",
        (false, true) => "100755",
        (false, false) => "100644",
    }
}

/// Reads a file that was an ordinary one a moment ago; one that grows meanwhile is read up to the limit.
pub(super) fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// A path as git reads it: a path may hold line feeds and quotes.
fn quoted(path: &Path) -> String {
    let escaped = path.as_os_str().as_bytes().iter().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// The paths in a list that git wrote with NUL after each. A directory in it (with a slash at its end) is a repository
/// of its own.
pub(super) fn listed(list: &[u8]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let paths = list.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let (nested, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.ends_with(b"/"));
    let owned = |paths: Vec<&[u8]>| paths.into_iter().map(|path| PathBuf::from(OsStr::from_bytes(path))).collect();
    (owned(files), owned(nested))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_can_be_written_down() {
        for (path, expected) in [
            (&b"a b.txt"[..], r#""a b.txt""#),
            (b"quote\"back\\slash", r#""quote\"back\\slash""#),
            (b"line\nfeed", r#""line\012feed""#),
            (b"\xff\xc3\xa4", r#""\377\303\244""#),
        ] {
            assert_eq!(quoted(Path::new(OsStr::from_bytes(path))), expected);
        }
    }

    #[test]
    fn a_list_tells_files_from_repositories() {
        let (files, nested) = listed(b"a\nb\0dir/c\0nested/\0");
        assert_eq!(files, [PathBuf::from("a\nb"), PathBuf::from("dir/c")]);
        assert_eq!(nested, [PathBuf::from("nested/")]);
    }
}
