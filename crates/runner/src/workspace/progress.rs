//! How far git is, from what it prints for people.

use legwork_agents::Decoded;
use legwork_model::EventBody;

/// Longer lines are no progress.
const LONGEST_LINE: usize = 500;
/// Steps in which progress is told.
const STEP: u8 = 10;

/// What git does, in its order.
const PHASES: [&str; 6] = [
    "Enumerating objects",
    "Counting objects",
    "Compressing objects",
    "Receiving objects",
    "Resolving deltas",
    "Updating files",
];

/// Reads lines such as `Receiving objects:  45% (450/1000), 1.2 MiB`; bytes may be cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Progress {
    line: Vec<u8>,
    /// The phase that was told last, and its step.
    told: Option<(usize, u8)>,
}

impl Progress {
    pub(super) fn read(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    decoded.extend(self.tell(&String::from_utf8_lossy(&line)).map(Decoded::Event));
                }
                _ if self.line.len() < LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn tell(&mut self, line: &str) -> Option<EventBody> {
        let (phase, rest) = line.trim_start_matches("remote: ").split_once(':')?;
        // What a remote says comes as it likes; only git's own phases are told, each once and forward.
        let phase = PHASES.iter().position(|known| *known == phase)?;
        let percent: u8 = rest.split_once('%')?.0.trim().parse().ok().filter(|percent| *percent <= 100)?;
        let now = (phase, percent / STEP);
        let news = self.told.is_none_or(|told| now > told);
        news.then(|| {
            self.told = Some(now);
            EventBody::RepositoryProgress { phase: PHASES[phase].to_owned(), percent }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(chunks: &[&str]) -> Vec<(String, u8)> {
        let (mut progress, mut decoded) = (Progress::default(), Vec::new());
        chunks.iter().for_each(|chunk| progress.read(chunk.as_bytes(), &mut decoded));
        let told = decoded.into_iter().map(|decoded| match decoded {
            Decoded::Event(EventBody::RepositoryProgress { phase, percent }) => (phase, percent),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn each_phase_is_told_in_steps() {
        let chunks = [
            "Cloning into 'x'...\nremote: Counting objects: 100% (3/3), done.\r\nReceiving obj",
            "ects:   3% (3/100)\rReceiving objects:   9% (9/100)\rReceiving objects:  12% (12/100), 1 MiB\rReceiving ",
            "objects: 100% (100/100), done.\nfatal: early EOF: 300%\nwarning: 7 of 10\n",
            "remote: Anything: 50%\rremote: Counting objects: 10%\r",
        ];
        let expected = [
            ("Counting objects", 100),
            ("Receiving objects", 3),
            ("Receiving objects", 12),
            ("Receiving objects", 100),
        ];
        assert_eq!(told(&chunks), expected.map(|(phase, percent)| (phase.to_owned(), percent)));
    }
}
