//! A run's events as lines to read.

use std::time::Duration;

use legwork_model::{Event, EventBody, Outcome};
use serde_json::Value;

use super::amounts::{all_input, count};
use super::{Line, Style, duration, one_line, plain, shorten};

/// Characters of what a tool was called with.
const INPUT: usize = 110;
/// Lines of what a tool answered, and characters of each.
const OUTPUT_LINES: usize = 5;
const OUTPUT: usize = 160;
/// What tells most about a call, in the agents' own names; the first that is there is shown.
const TELLING: [&str; 9] =
    ["command", "file_path", "path", "notebook_path", "pattern", "url", "query", "description", "prompt"];

/// Turns events into lines, one after the other.
#[derive(Debug, Default)]
pub struct Transcript {
    /// Whether the result is shown elsewhere, so that it must not be shown here too.
    without_result: bool,
    /// What the agent said last: it may turn out to be the result.
    held: Option<String>,
    tokens: u64,
    doing: String,
    stopping: bool,
    workspace: Option<String>,
}

impl Transcript {
    /// A transcript of everything.
    pub fn whole() -> Self {
        Self::default()
    }

    /// A transcript that leaves the result out, for those who print it by itself.
    pub fn without_result() -> Self {
        Self { without_result: true, ..Self::default() }
    }

    /// The lines that an event adds.
    pub fn take(&mut self, event: &Event) -> Vec<Line> {
        self.note(&event.body);
        if let EventBody::Text { text, parent_tool_call_id: None } = &event.body
            && self.without_result
        {
            return self.held.replace(text.clone()).map(|text| said(&text)).unwrap_or_default();
        }
        let mut lines = Vec::new();
        if let EventBody::Finished { outcome } = &event.body {
            let held = self.held.take().filter(|held| !is_result(held, outcome));
            lines.extend(held.iter().flat_map(|text| said(text)));
        }
        let new = lines_of(&event.body);
        if !new.is_empty() {
            lines.extend(self.held.take().iter().flat_map(|text| said(text)));
        }
        lines.extend(new);
        lines
    }

    /// What goes on, in a few words: tokens used so far, and what the agent does.
    pub fn status(&self) -> String {
        let doing = if self.stopping { "stopping" } else { self.doing.as_str() };
        match self.tokens {
            0 => doing.to_owned(),
            tokens => format!("{} tokens  {doing}", count(tokens)),
        }
    }

    /// Where the agent works.
    pub fn workspace(&self) -> Option<&str> {
        self.workspace.as_deref()
    }

    fn note(&mut self, body: &EventBody) {
        let doing = match body {
            EventBody::Queued { lane } => format!("waiting in lane {}", one_line(lane)),
            EventBody::Claimed { .. } => {
                self.stopping = false;
                "preparing".to_owned()
            }
            EventBody::Workspace { path, .. } => {
                self.workspace = Some(one_line(path));
                "starting the agent".to_owned()
            }
            EventBody::ToolCall { name, input, .. } => call(name, input),
            EventBody::Retrying { .. } => "waiting for the model's API".to_owned(),
            EventBody::Stopping { .. } => {
                self.stopping = true;
                return;
            }
            EventBody::Usage { usage, .. } => {
                self.tokens = self.tokens.saturating_add(all_input(*usage)).saturating_add(usage.output_tokens);
                return;
            }
            EventBody::Started { .. }
            | EventBody::Text { .. }
            | EventBody::Thinking { .. }
            | EventBody::ToolResult { .. } => "working".to_owned(),
            _ => return,
        };
        self.doing = doing;
    }
}

fn is_result(text: &str, outcome: &Outcome) -> bool {
    outcome.result.as_deref().is_some_and(|result| result.trim() == text.trim())
}

fn lines_of(body: &EventBody) -> Vec<Line> {
    let line = |style, text: String| vec![Line::new(style, text)];
    match body {
        EventBody::Claimed { attempt, .. } if *attempt > 1 => line(Style::Warning, format!("attempt {attempt}")),
        EventBody::Started { model, version, .. } => line(Style::Dim, started(model.as_deref(), version.as_deref())),
        EventBody::Text { text, parent_tool_call_id } => indented(parent_tool_call_id.as_ref(), said(text)),
        EventBody::Thinking { text, parent_tool_call_id } => {
            indented(parent_tool_call_id.as_ref(), excerpt(Style::Dim, "~ ", text))
        }
        EventBody::ToolCall { name, input, parent_tool_call_id, .. } => {
            indented(parent_tool_call_id.as_ref(), line(Style::Bold, format!("> {}", call(name, input))))
        }
        EventBody::ToolResult { output, is_error, parent_tool_call_id, .. } => {
            let style = if *is_error { Style::Bad } else { Style::Dim };
            indented(parent_tool_call_id.as_ref(), excerpt(style, "  ", output))
        }
        EventBody::PermissionRequest { tool, input, .. } => {
            line(Style::Warning, format!("? asks for {}", call(tool, input)))
        }
        EventBody::PermissionDecision { tool, allowed: false, .. } => {
            line(Style::Warning, format!("! {} was refused; --allow lets the agent use a tool", one_line(tool)))
        }
        EventBody::Retrying { .. } => line(Style::Warning, retrying(body)),
        EventBody::Stderr { line: said } => line(Style::Dim, format!("stderr: {}", shorten(&one_line(said), OUTPUT))),
        EventBody::Unparsed { line: said, .. } => {
            line(Style::Dim, format!("not understood: {}", shorten(&one_line(said), OUTPUT)))
        }
        EventBody::Stopping { reason } => line(Style::Warning, format!("stopping: {}", one_line(reason))),
        EventBody::Requeued { message } => line(Style::Warning, format!("waits again: {}", one_line(message))),
        _ => Vec::new(),
    }
}

fn started(model: Option<&str>, version: Option<&str>) -> String {
    let part =
        |name: &str, value: Option<&str>| value.map(|value| format!(" {name} {}", one_line(value))).unwrap_or_default();
    format!("started{}{}", part("version", version), part("with", model))
}

fn retrying(body: &EventBody) -> String {
    let EventBody::Retrying { attempt, max_attempts, delay_ms, api_status, error } = body else { return String::new() };
    let most = max_attempts.map(|most| format!(" of {most}")).unwrap_or_default();
    let status = api_status.map(|status| format!("{status} ")).unwrap_or_default();
    let pause = duration(Duration::from_millis(*delay_ms));
    format!("retry {attempt}{most} in {pause}: {status}{}", shorten(&one_line(error), OUTPUT))
}

/// A tool and what tells most about how it is called.
fn call(name: &str, input: &Value) -> String {
    let telling = TELLING.iter().find_map(|field| input.get(field)?.as_str());
    let shown = match (telling, input) {
        (Some(text), _) => one_line(text),
        (None, Value::Object(fields)) if fields.is_empty() => String::new(),
        (None, other) => one_line(&other.to_string()),
    };
    format!("{} {}", one_line(name), shorten(&shown, INPUT)).trim_end().to_owned()
}

fn said(text: &str) -> Vec<Line> {
    plain(text.trim()).lines().map(|line| Line::new(Style::Plain, line.trim_end())).collect()
}

/// The first lines of a text that may be long.
fn excerpt(style: Style, mark: &str, text: &str) -> Vec<Line> {
    let text = plain(text);
    let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let shown = all.iter().take(OUTPUT_LINES);
    let mut lines: Vec<_> = shown.map(|line| Line::new(style, format!("{mark}{}", shorten(line, OUTPUT)))).collect();
    if all.len() > OUTPUT_LINES {
        lines.push(Line::new(Style::Dim, format!("{mark}… {} more lines", all.len() - OUTPUT_LINES)));
    }
    lines
}

/// What a sub-agent does stands below what its agent does.
fn indented(parent: Option<&String>, mut lines: Vec<Line>) -> Vec<Line> {
    if parent.is_some() {
        lines.iter_mut().for_each(|line| line.text.insert_str(0, "    "));
    }
    lines
}

#[cfg(test)]
mod tests;
