//! A text that comes piece by piece: a secret may begin in one piece and end in another.

use std::collections::VecDeque;
use std::ops::Range;

use super::matcher::{Matchers, merged};
use super::{Mask, STARS};

/// One text in pieces. A piece is given back once it is decided what of it is secret: at once, unless its end may be the
/// beginning of a secret.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The end of the text so far: what was not given back yet, and before it what a secret may have begun with.
    end: Vec<u8>,
    /// Where `end` begins in the text.
    from: usize,
    /// What is to be masked there.
    secret: Vec<Range<usize>>,
    /// Where the pieces end that were not given back.
    waiting: VecDeque<usize>,
    /// Where the last of them that was given back ends.
    given: usize,
    /// Where the last range ends for which stars were given.
    masked: usize,
}

impl Pieces {
    /// Takes the next piece; gives back those that are decided now, in order and masked.
    pub fn push(&mut self, mask: &Mask, piece: &str) -> Vec<String> {
        self.take(&mask.matchers(), piece)
    }

    /// Gives back all pieces as far as is known. Should a secret have begun in them, the rest of it is masked all the same.
    pub fn release(&mut self) -> Vec<String> {
        let all = self.waiting.len();
        self.give(all)
    }

    /// Whether pieces wait to be decided.
    pub fn is_undecided(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn take(&mut self, matchers: &Matchers, piece: &str) -> Vec<String> {
        self.end.extend_from_slice(piece.as_bytes());
        self.waiting.push_back(self.from + self.end.len());
        let found = matchers.find(&self.end).into_iter().map(|one| one.start + self.from..one.end + self.from);
        self.secret = merged(self.secret.drain(..).chain(found).collect());
        let decided = self.from + matchers.undecided(&self.end);
        let count = self.waiting.iter().take_while(|end| **end <= decided).count();
        let given = self.give(count);
        self.forget(self.given.min(decided));
        given
    }

    fn give(&mut self, count: usize) -> Vec<String> {
        let ends: Vec<usize> = self.waiting.drain(..count).collect();
        ends.into_iter().map(|end| self.shown(end)).collect()
    }

    /// The text from where it was given last, up to `end`.
    fn shown(&mut self, end: usize) -> String {
        let begin = std::mem::replace(&mut self.given, end);
        let (mut shown, mut at) = (Vec::new(), begin);
        for secret in self.secret.iter().filter(|secret| secret.end > begin && secret.start < end) {
            shown.extend_from_slice(&self.end[at - self.from..secret.start.max(at) - self.from]);
            // One that goes on from an earlier piece has its stars there, if that was masked.
            if secret.start >= begin || self.masked != begin {
                shown.extend_from_slice(STARS.as_bytes());
            }
            at = secret.end.min(end);
            self.masked = at;
        }
        shown.extend_from_slice(&self.end[at - self.from..end - self.from]);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Forgets the text before `from`.
    fn forget(&mut self, from: usize) {
        self.end.drain(..from - self.from);
        self.from = from;
        self.secret.retain(|secret| secret.end > from);
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const SECRETS: [&str; 5] =
        ["sk-ant-0123456789", "0123456789-of-another", "aaaaaaaab", "päss wörd/+\"?", "line one\nline two"];

    /// Text in which secrets, their beginnings and other things follow each other.
    fn texts() -> impl Strategy<Value = String> {
        let secret = (0..SECRETS.len(), 0_usize..4).prop_map(|(which, how)| match how {
            0 => SECRETS[which].to_owned(),
            1 => STANDARD.encode(format!("{how}{}{which}", SECRETS[which])),
            2 => serde_json::to_string(SECRETS[which]).expect("JSON"),
            _ => SECRETS[which].replace(' ', "%20"),
        });
        let part = (0..SECRETS.len(), 0_usize..9).prop_map(|(which, most)| SECRETS[which].chars().take(most).collect());
        let other = "[a0 \n\\\\ßk-]{0,6}";
        proptest::collection::vec(prop_oneof![secret, part, other], 0..8).prop_map(|parts| parts.concat())
    }

    fn pieces_of(text: &str, cuts: &[usize]) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (chars.len() + 1)).chain([chars.len()]).collect();
        ends.sort_unstable();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| chars[begin..*end].iter().collect()).collect()
    }

    fn shows_a_secret(text: &str) -> bool {
        SECRETS.iter().any(|secret| text.contains(secret) || text.contains(&secret.replace('\n', "")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn however_a_text_is_cut_it_is_masked_like_the_whole(text in texts(), cuts in proptest::collection::vec(0_usize..200, 0..12)) {
            let mask = Mask::new(SECRETS);
            let pieces = pieces_of(&text, &cuts);
            let mut of_all = Pieces::default();
            let mut shown: Vec<String> = Vec::new();
            for piece in &pieces {
                shown.extend(of_all.push(&mask, piece));
            }
            shown.extend(of_all.release());
            prop_assert_eq!(shown.len(), pieces.len(), "one for each");
            let whole = mask.apply(text);
            prop_assert!(!shows_a_secret(&whole));
            prop_assert_eq!(shown.concat(), whole);
        }

        #[test]
        fn what_is_given_too_early_does_not_give_the_rest_away(
            text in texts(),
            cuts in proptest::collection::vec(0_usize..200, 0..12),
            early in proptest::collection::vec(any::<bool>(), 13),
        ) {
            let mask = Mask::new(SECRETS);
            let mut of_all = Pieces::default();
            let mut shown: Vec<String> = Vec::new();
            for (piece, early) in pieces_of(&text, &cuts).iter().zip(early) {
                shown.extend(of_all.push(&mask, piece));
                if early {
                    shown.extend(of_all.release());
                }
            }
            shown.extend(of_all.release());
            prop_assert!(!shows_a_secret(&shown.concat()), "{shown:?}");
        }
    }

    #[test]
    fn a_piece_waits_only_where_it_may_begin_a_secret() {
        let (mask, mut pieces) = (Mask::new(["sk-ant-0123456789"]), Pieces::default());
        assert_eq!(pieces.push(&mask, "the key"), ["the key"]);
        assert_eq!(pieces.push(&mask, " is sk-a"), Vec::<String>::new());
        assert!(pieces.is_undecided());
        assert_eq!(pieces.push(&mask, "nt-0123456789!"), [" is ***", "!"]);
        assert!(!pieces.is_undecided());
        assert!(pieces.end.is_empty(), "nothing is kept for nothing");
    }
}
