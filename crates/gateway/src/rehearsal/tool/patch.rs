//! Changes of files for agents without a tool for them: as a patch in the form that Codex and Copilot take, or as a
//! command for the shell.

use super::super::step::Call;

/// The line that ends a document within a command; no text that anyone rehearses has it.
const END: &str = "END_OF_REHEARSAL";

/// The change that `call` makes. The form knows whole lines only: a text to replace must be one or more of them.
pub(super) fn of(call: &Call) -> String {
    let change = match call {
        Call::Write { path, content } => format!("*** Add File: {path}\n{}", marked('+', content)),
        Call::Edit { path, old, new } => {
            format!("*** Update File: {path}\n@@\n{}{}", marked('-', old), marked('+', new))
        }
        Call::Bash { .. } | Call::Read { .. } | Call::Tool { .. } => String::new(),
    };
    format!("*** Begin Patch\n{change}*** End Patch\n")
}

/// The command that does what `call` asks for. Codex knows `apply_patch` as a command, too.
pub(super) fn command_for(call: &Call) -> Option<String> {
    match call {
        Call::Write { path, content } => {
            let path = quoted(path);
            Some(format!("mkdir -p -- \"$(dirname -- {path})\" && cat > {path} <<'{END}'\n{content}\n{END}"))
        }
        Call::Edit { .. } => Some(format!("apply_patch <<'{END}'\n{}{END}", of(call))),
        Call::Read { path } => Some(format!("cat -- {}", quoted(path))),
        Call::Bash { .. } | Call::Tool { .. } => None,
    }
}

fn marked(mark: char, text: &str) -> String {
    text.split('\n').map(|line| format!("{mark}{line}\n")).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
