//! The table of tools: what each agent calls its shell, its editor and its reader, and what it has them take. All as
//! the agents' own requests have it: Claude Code 2.1, Codex 0.169, Gemini CLI 0.61, Copilot CLI 1.0, OpenCode 1.18.

use serde_json::{Value, json};

use super::super::step::Call;
use super::patch;

/// What a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bash,
    Write,
    Edit,
    Read,
}

/// What stands in one field of a tool's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Command,
    /// The command as a program and its arguments.
    Argv,
    Path,
    /// The path from the root where the directory is known: the tool takes no other.
    AbsolutePath,
    Content,
    Old,
    New,
    /// Words about the call, where the tool takes some.
    Note,
    /// Everything, as a patch.
    Patch,
}

/// One tool that can do what a call asks for.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) kind: Kind,
    pub(super) tool: &'static str,
    pub(super) input: &'static [(&'static str, Part)],
}

/// The first that is offered counts.
pub(super) const WAYS: &[Way] = &[
    // Claude Code
    way(Kind::Bash, "Bash", &[("command", Part::Command), ("description", Part::Note)]),
    way(Kind::Write, "Write", &[("file_path", Part::Path), ("content", Part::Content)]),
    way(Kind::Edit, "Edit", &[("file_path", Part::Path), ("old_string", Part::Old), ("new_string", Part::New)]),
    way(Kind::Read, "Read", &[("file_path", Part::Path)]),
    // Codex; which shell it offers depends on the model
    way(Kind::Bash, "exec_command", &[("cmd", Part::Command)]),
    way(Kind::Bash, "shell_command", &[("command", Part::Command)]),
    way(Kind::Bash, "shell", &[("command", Part::Argv)]),
    way(Kind::Write, "apply_patch", &[("input", Part::Patch)]),
    way(Kind::Edit, "apply_patch", &[("input", Part::Patch)]),
    // Gemini CLI
    way(Kind::Bash, "run_shell_command", &[("command", Part::Command), ("description", Part::Note)]),
    way(Kind::Write, "write_file", &[("file_path", Part::Path), ("content", Part::Content)]),
    way(
        Kind::Edit,
        "replace",
        &[("file_path", Part::Path), ("instruction", Part::Note), ("old_string", Part::Old), ("new_string", Part::New)],
    ),
    way(Kind::Read, "read_file", &[("file_path", Part::Path)]),
    // GitHub Copilot CLI and OpenCode, whose shells differ only in the note
    way(Kind::Bash, "bash", &[("command", Part::Command), ("description", Part::Note)]),
    // GitHub Copilot CLI
    way(Kind::Write, "create", &[("path", Part::AbsolutePath), ("file_text", Part::Content)]),
    way(Kind::Edit, "edit", &[("path", Part::AbsolutePath), ("old_str", Part::Old), ("new_str", Part::New)]),
    way(Kind::Read, "view", &[("path", Part::AbsolutePath)]),
    // OpenCode
    way(Kind::Write, "write", &[("filePath", Part::Path), ("content", Part::Content)]),
    way(Kind::Edit, "edit", &[("filePath", Part::Path), ("oldString", Part::Old), ("newString", Part::New)]),
    way(Kind::Read, "read", &[("filePath", Part::Path)]),
];

const fn way(kind: Kind, tool: &'static str, input: &'static [(&'static str, Part)]) -> Way {
    Way { kind, tool, input }
}

impl Kind {
    /// Ends the sentence that the agent offers no tool to …
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Bash => "run a command",
            Self::Write => "write a file",
            Self::Edit => "edit a file",
            Self::Read => "read a file",
        }
    }
}

impl Way {
    /// Whether the whole input is one patch, which is all that a tool without fields understands.
    pub(super) fn is_patch(&self) -> bool {
        matches!(self.input, [(_, Part::Patch)])
    }

    /// The fields without which it is another tool.
    pub(super) fn essential(&self) -> impl Iterator<Item = &'static str> {
        self.input.iter().filter(|(_, part)| *part != Part::Note).map(|(field, _)| *field)
    }
}

/// What stands for `part` when a tool does `call` in `directory`.
pub(super) fn value(part: Part, call: &Call, directory: Option<&str>) -> Value {
    match (part, call) {
        (Part::Command, Call::Bash { command }) => json!(command),
        (Part::Argv, Call::Bash { command }) => json!(["bash", "-lc", command]),
        (Part::Path, Call::Write { path, .. } | Call::Edit { path, .. } | Call::Read { path }) => json!(path),
        (Part::AbsolutePath, Call::Write { path, .. } | Call::Edit { path, .. } | Call::Read { path }) => {
            json!(absolute(path, directory))
        }
        (Part::Content, Call::Write { content, .. }) => json!(content),
        (Part::Old, Call::Edit { old, .. }) => json!(old),
        (Part::New, Call::Edit { new, .. }) => json!(new),
        (Part::Patch, call) => json!(patch::of(call)),
        (Part::Note, Call::Bash { .. }) => json!("Rehearse a command"),
        (Part::Note, _) => json!("Rehearse a change"),
        _ => Value::Null,
    }
}

fn absolute(path: &str, directory: Option<&str>) -> String {
    match directory {
        Some(directory) if !path.starts_with('/') => format!("{}/{path}", directory.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}
