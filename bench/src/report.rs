//! The table.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::error::BenchError;

const BEGIN: &str = "<!-- table: written by make bench -->\n";
const END: &str = "<!-- end of table -->";

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    legwork: String,
    other: String,
    ratio: String,
    wanted: &'static str,
}

impl Row {
    /// Durations of Legwork and the peer.
    pub(crate) fn milliseconds(what: impl Into<String>, times: [Duration; 2]) -> Self {
        let [legwork, peer] = times.map(|time| time.as_secs_f64() * 1000.0);
        Self::new(what, [legwork, peer], |value| format!("{value:.1} ms"))
    }

    /// Rates of Legwork and the peer.
    pub(crate) fn per_second(what: impl Into<String>, rates: [f64; 2]) -> Self {
        Self::new(what, rates, |value| format!("{value:.0}"))
    }

    /// Memory of Legwork and the peer, given in kB as the kernel counts them (1024 bytes).
    pub(crate) fn megabytes(what: impl Into<String>, kilobytes: [u64; 2]) -> Self {
        Self::new(what, kilobytes.map(|kb| kb as f64 * 1.024e-3), |value| format!("{value:.1} MB"))
    }

    /// A duration that the peer has nothing like.
    pub(crate) fn alone(what: impl Into<String>, time: Duration) -> Self {
        let legwork = format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        Self { what: what.into(), legwork, other: "-".into(), ratio: "-".into(), wanted: "" }
    }

    /// Memory that the peer has nothing like, in bytes.
    pub(crate) fn amount(what: impl Into<String>, bytes: u64) -> Self {
        let legwork = format!("{:.2} MB", bytes as f64 / 1e6);
        Self { what: what.into(), legwork, other: "-".into(), ratio: "-".into(), wanted: "" }
    }

    /// Two durations of Legwork, the second of which is what the first is compared with.
    pub(crate) fn compared(what: impl Into<String>, times: [Duration; 2]) -> Self {
        let [time, base] = times.map(|time| time.as_secs_f64() * 1000.0);
        let legwork = format!("{time:.2} ms against {base:.2} ms");
        Self { what: what.into(), legwork, other: "-".into(), ratio: format!("{:.2}x", time / base), wanted: "" }
    }

    /// Says what we want it to be.
    pub(crate) fn wanted(self, wanted: &'static str) -> Self {
        Self { wanted, ..self }
    }

    fn new(what: impl Into<String>, [legwork, peer]: [f64; 2], show: impl Fn(f64) -> String) -> Self {
        let ratio = format!("{:.2}x", legwork / peer);
        Self { what: what.into(), legwork: show(legwork), other: show(peer), ratio, wanted: "" }
    }
}

/// The table in Markdown, under the machine it was measured on.
pub(crate) fn markdown(machine: &str, rows: &[Row]) -> String {
    let mut text = format!("{machine}\n\n| | Legwork | Node worker | ratio | wanted |\n|---|---|---|---|---|\n");
    for Row { what, legwork, other, ratio, wanted } in rows {
        let _ = writeln!(text, "| {what} | {legwork} | {other} | {ratio} | {wanted} |");
    }
    text
}

/// Puts the report in the document, in place of the last one.
pub(crate) fn keep(document: &Path, report: &str) -> Result<(), BenchError> {
    let text = std::fs::read_to_string(document)?;
    let replaced = replace(&text, report).ok_or_else(|| {
        BenchError::Setup(format!("{} has no place for a table ({})", document.display(), BEGIN.trim_end()))
    })?;
    Ok(std::fs::write(document, replaced)?)
}

fn replace(document: &str, report: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{report}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let rows = [
            Row::per_second("jobs a second", [1234.5, 420.0]).wanted("at least 2x"),
            Row::alone("delay", Duration::from_micros(1500)),
        ];
        let expected = "2 cores\n\n| | Legwork | Node worker | ratio | wanted |\n|---|---|---|---|---|\n\
                        | jobs a second | 1234 | 420 | 2.94x | at least 2x |\n| delay | 1.50 ms | - | - |  |\n";
        assert_eq!(markdown("2 cores", &rows), expected);
    }

    #[test]
    fn a_new_table_takes_the_place_of_the_last() {
        let document = format!("# Bench\n{BEGIN}old\n{END}\nEnd.\n");
        assert_eq!(replace(&document, "new\n"), Some(format!("# Bench\n{BEGIN}new\n{END}\nEnd.\n")));
        assert_eq!(replace("# Bench\n", "new\n"), None);
    }
}
