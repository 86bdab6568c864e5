//! A dialogue with a program that prints lines of JSON: what is the same for all of them.

use legwork_model::{EventBody, Exit};

use crate::agent::{AgentReport, Decoded, Dialogue, Order};
use crate::framing::{Line, LineSplitter};
use crate::stderr::StderrLines;

/// What the lines of one kind of program mean.
pub(crate) trait Lines: Send {
    /// Takes a line and appends what it means. `None` where it is not understood: then it is kept as it came, and what was
    /// appended is dropped.
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()>;

    /// Takes a line of error output, which is on record already.
    fn complaint(&mut self, line: &str) {
        let _ = line;
    }

    /// Takes an order, appends what is to be written for it.
    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        let _ = (order, decoded);
    }

    /// Nothing more will come: appends what was held back, and judges the run.
    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport;
}

/// How a process and its output ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// How the process ended.
    pub(crate) exit: Exit,
    /// The last line of its error output.
    pub(crate) stderr: Option<&'a str>,
    /// Whether a line was too long to be read.
    pub(crate) cut_line: bool,
}

/// The dialogue that gives each line to `L`.
#[derive(Debug, Default)]
pub(crate) struct LineDialogue<L> {
    stdout: LineSplitter,
    stderr: StderrLines,
    cut_line: bool,
    lines: L,
}

impl<L> LineDialogue<L> {
    pub(crate) fn new(lines: L) -> Self {
        Self { stdout: LineSplitter::default(), stderr: StderrLines::default(), cut_line: false, lines }
    }
}

impl<L: Lines> LineDialogue<L> {
    fn complaints(&mut self, before: usize, decoded: &[Decoded]) {
        for item in &decoded[before..] {
            if let Decoded::Event(EventBody::Stderr { line }) = item {
                self.lines.complaint(line);
            }
        }
    }
}

impl<L: Lines> Dialogue for LineDialogue<L> {
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        let Self { stdout, cut_line, lines, .. } = self;
        stdout.push(bytes, |line| take(lines, line, cut_line, decoded));
    }

    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        let before = decoded.len();
        self.stderr.push(bytes, decoded);
        self.complaints(before, decoded);
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        self.lines.order(order, decoded);
    }

    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport {
        let Self { stdout, cut_line, lines, .. } = self;
        stdout.finish(|line| take(lines, line, cut_line, decoded));
        let before = decoded.len();
        self.stderr.finish(decoded);
        self.complaints(before, decoded);
        let end = End { exit, stderr: self.stderr.last(), cut_line: self.cut_line };
        self.lines.report(&end, decoded)
    }
}

/// Appends something to put on record.
pub(crate) fn push(decoded: &mut Vec<Decoded>, event: EventBody) {
    decoded.push(Decoded::Event(event));
}

/// Appends a line for the program.
pub(crate) fn input(decoded: &mut Vec<Decoded>, line: String) {
    decoded.push(Decoded::Input(line.into_bytes()));
}

fn take(lines: &mut impl Lines, line: Line<'_>, cut_line: &mut bool, decoded: &mut Vec<Decoded>) {
    *cut_line |= line.truncated;
    let before = decoded.len();
    if line.truncated || lines.read(line.bytes, decoded).is_none() {
        decoded.truncate(before);
        let text = String::from_utf8_lossy(line.bytes).into_owned();
        push(decoded, EventBody::Unparsed { line: text, truncated: line.truncated });
    }
}
