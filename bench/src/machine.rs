//! The machine that was measured on: absolute figures mean nothing without it.

use std::fs::read_to_string;

/// One line: processor, cores, memory, kernel.
pub(crate) fn describe() -> String {
    let read = |path| read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let gigabytes = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_000_000;
    format!(
        "Measured on {cores} cores ({processor}), {gigabytes} GB, Linux {}.",
        read("/proc/sys/kernel/osrelease").trim()
    )
}

fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        assert_eq!(field("processor\t: 0\nmodel name\t: Fast CPU\n", "model name"), "Fast CPU");
        assert_eq!(field("", "model name"), "unknown");
    }
}
