//! Where progress is shown: standard error. Standard output is for results alone.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::{Line, Style};
use crate::config::Environment;

const TICK: Duration = Duration::from_millis(100);

/// Shows lines and, on a terminal, a spinner below them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Screen {
    spinner: Option<ProgressBar>,
    colour: bool,
    shows_progress: bool,
}

impl Screen {
    /// The terminal of this process. Without `progress` only notices are shown.
    pub fn new(environment: &Environment, progress: bool) -> Self {
        let terminal = io::stderr().is_terminal() && environment.get("TERM") != Some("dumb");
        Self {
            spinner: (terminal && progress).then(spinner),
            colour: terminal && environment.get("NO_COLOR").is_none(),
            shows_progress: progress,
        }
    }

    /// Whether progress is shown.
    pub const fn shows_progress(&self) -> bool {
        self.shows_progress
    }

    /// Shows lines of progress.
    pub fn progress(&self, lines: &[Line]) {
        if self.shows_progress {
            lines.iter().for_each(|line| self.show(line));
        }
    }

    /// Shows something that has to be known even by those who want no progress.
    pub fn notice(&self, style: Style, text: impl Into<String>) {
        self.show(&Line::new(style, text));
    }

    /// Says beside the spinner what goes on.
    pub fn status(&self, text: String) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text);
        }
    }

    /// Takes the spinner away for good.
    pub fn settle(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }

    fn show(&self, line: &Line) {
        let text = line.painted(self.colour);
        match &self.spinner {
            Some(spinner) if !spinner.is_finished() => spinner.println(text),
            // Nobody may be reading; the run goes on all the same.
            _ => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {clock}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let clock = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let seconds = state.elapsed().as_secs();
        let _ = write!(out, "{}:{:02}", seconds / 60, seconds % 60);
    };
    spinner.set_style(style.with_key("clock", clock));
    spinner.enable_steady_tick(TICK);
    spinner
}
