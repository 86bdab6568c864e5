//! Finds secrets, however many there are, in one pass.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use memchr::memmem::Finder;

use super::STARS;
use super::forms::forms;
use super::unwrapped::Unwrapped;

/// Forms that are found faster one by one. A token has about six.
const FEW: usize = 16;

/// Knows all forms of some secrets.
#[derive(Default)]
pub(super) struct Matcher {
    search: Search,
    /// In order.
    forms: Vec<Vec<u8>>,
    longest: usize,
    begins: Begins,
}

/// How forms are looked for.
enum Search {
    /// Each by itself.
    Each(Vec<Finder<'static>>),
    /// All in one pass.
    All(AhoCorasick),
}

impl Default for Search {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// The bytes that forms begin with.
struct Begins([bool; 256]);

impl Default for Begins {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl Matcher {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<Vec<u8>> = secrets.into_iter().flat_map(forms).collect();
        forms.sort_unstable();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max().unwrap_or_default();
        let mut begins = Begins::default();
        forms.iter().filter_map(|form| form.first()).for_each(|first| begins.0[usize::from(*first)] = true);
        Self { search: Search::of(&forms), forms, longest, begins }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        match &self.search {
            Search::Each(finders) => finders.iter().for_each(|finder| find_each(finder, text, found)),
            Search::All(automaton) => found.extend(automaton.find_overlapping_iter(text).map(|one| one.range())),
        }
    }

    /// Where the longest end of `text` begins that is the beginning of a form, but not all of it; else its length.
    fn undecided(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        let begins = |at: &usize| {
            let end = &text[*at..];
            if !self.begins.0[usize::from(end[0])] {
                return false;
            }
            let next = self.forms.partition_point(|form| form.as_slice() <= end);
            self.forms.get(next).is_some_and(|form| form.starts_with(end))
        };
        (first..text.len()).find(begins).unwrap_or(text.len())
    }
}

impl Search {
    fn of(forms: &[Vec<u8>]) -> Self {
        let each = || Self::Each(forms.iter().map(|form| Finder::new(form).into_owned()).collect());
        if forms.len() <= FEW {
            return each();
        }
        // The kind that takes the least memory, for keys of several thousand bytes are no rarity.
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(forms);
        // It only fails with more than 2^31 bytes of forms.
        automaton.map_or_else(|_| each(), Self::All)
    }
}

/// Every place where the form stands, also those that overlap.
fn find_each(finder: &Finder<'_>, text: &[u8], found: &mut Vec<Range<usize>>) {
    let (length, mut from) = (finder.needle().len(), 0);
    while let Some(at) = finder.find(&text[from..]) {
        let start = from + at;
        found.push(start..start + length);
        from = start + 1;
    }
}

/// All that is looked for in one text.
pub(super) struct Matchers(Vec<Arc<Matcher>>);

impl Matchers {
    pub(super) fn new(all: impl IntoIterator<Item = Arc<Matcher>>) -> Self {
        Self(all.into_iter().filter(|matcher| !matcher.forms.is_empty()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges to be masked, in order. Those that overlap are one.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        self.0.iter().for_each(|matcher| matcher.find(text, &mut found));
        for unwrapped in Unwrapped::all_of(text) {
            let mut there = Vec::new();
            self.0.iter().for_each(|matcher| matcher.find(&unwrapped.text, &mut there));
            found.extend(there.iter().map(|one| unwrapped.place(one.start)..unwrapped.place(one.end - 1) + 1));
        }
        merged(found)
    }

    /// Where the end of `text` begins of which can't be said yet whether it belongs to a secret; else its length.
    pub(super) fn undecided(&self, text: &[u8]) -> usize {
        let earliest = |text: &[u8]| self.0.iter().map(|matcher| matcher.undecided(text)).min().unwrap_or(text.len());
        let plain = earliest(text);
        // A backslash may become a line break with what follows.
        let slashes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
        let without = &text[..text.len() - slashes];
        let cut = (slashes > 0).then(|| earliest(without)).filter(|at| *at < without.len());
        let unwrapped = Unwrapped::all_of(without).into_iter().filter_map(|unwrapped| {
            let at = earliest(&unwrapped.text);
            (at < unwrapped.text.len()).then(|| unwrapped.place(at))
        });
        unwrapped.chain(cut).fold(plain, usize::min)
    }

    /// `text` masked; `None` where there is nothing to mask.
    pub(super) fn without(&self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(text);
        (!found.is_empty()).then(|| starred(text, found))
    }

    /// The same, with as many lines as before, each with its first character.
    pub(super) fn without_in_lines(&self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(text);
        let in_lines = found.iter().flat_map(|range| in_lines(text, range)).collect();
        (!found.is_empty()).then(|| starred(text, in_lines))
    }
}

/// The parts of a range in its lines, without the first character of those that begin in it.
fn in_lines(text: &[u8], range: &Range<usize>) -> Vec<Range<usize>> {
    let mut begin = range.start;
    let lines = text[range.clone()].split_inclusive(|byte| *byte == b'\n').map(|line| {
        let from = if begin == range.start { begin } else { begin + 1 };
        begin += line.len();
        from..begin - usize::from(line.ends_with(b"\n"))
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn starred(text: &[u8], found: Vec<Range<usize>>) -> Vec<u8> {
    let (mut masked, mut from) = (Vec::with_capacity(text.len()), 0);
    for one in found {
        masked.extend_from_slice(&text[from..one.start]);
        masked.extend_from_slice(STARS.as_bytes());
        from = one.end;
    }
    masked.extend_from_slice(&text[from..]);
    masked
}

/// In order, and those that overlap as one.
pub(super) fn merged<T: Ord + Copy>(mut ranges: Vec<Range<T>>) -> Vec<Range<T>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<T>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_overlap_disappear_together() {
        let matchers = Matchers::new([Arc::new(Matcher::new(["abcdefgh", "efghijkl"]))]);
        assert_eq!(matchers.without(b"<abcdefghijkl>").as_deref(), Some(b"<***>".as_slice()));
        assert_eq!(matchers.without(b"abcdefghabcdefgh").as_deref(), Some(b"******".as_slice()));
        assert_eq!(matchers.without(b"abcdefg"), None);
    }

    #[test]
    fn only_an_end_that_may_go_on_as_a_secret_is_undecided() {
        let matchers = Matchers::new([Arc::new(Matcher::new(["secret-value"]))]);
        for (text, decided) in
            [("my secret-val", 3), ("my secret-value", 15), ("mys", 2), ("my", 2), ("se\ncr", 0), ("", 0)]
        {
            assert_eq!(matchers.undecided(text.as_bytes()), decided, "{text}");
        }
    }
}
