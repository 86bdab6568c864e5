//! The events of the server that are passed on as they are, or left out.

use super::launch::UNWANTED;

/// Whether an event is known. What is not may be news in the program's protocol.
pub(super) fn is_documented(kind: &str) -> bool {
    OTHERS.contains(&kind) || UNWANTED.contains(&kind)
}

/// Events that are passed on as they are.
const OTHERS: [&str; 23] = [
    "command.executed",
    "file.edited",
    "installation.update-available",
    "installation.updated",
    "lsp.client.diagnostics",
    "lsp.updated",
    "mcp.browser.open.failed",
    "mcp.tools.changed",
    "message.part.removed",
    "message.removed",
    "permission.updated",
    "project.updated",
    "pty.created",
    "pty.deleted",
    "pty.exited",
    "pty.updated",
    "question.asked",
    "session.compacted",
    "session.deleted",
    "todo.updated",
    "vcs.branch.updated",
    "worktree.failed",
    "worktree.ready",
];
