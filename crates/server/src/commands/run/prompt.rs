//! Where the prompt comes from.

use std::io::{self, IsTerminal, Read};

use crate::commands::Failure;

/// More than any server takes; so that an endless pipe is noticed.
const MOST: u64 = 16 * 1024 * 1024;

/// The prompt: the argument, or what is piped in where there is none or it is `-`.
pub(super) fn read(argument: Option<&str>) -> Result<String, Failure> {
    match argument {
        Some(prompt) if prompt != "-" => Ok(prompt.to_owned()),
        None if io::stdin().is_terminal() => {
            Err(Failure::usage("what is the agent to do? Give a prompt: legwork run 'Explain this repository'"))
        }
        _ => from(io::stdin().lock()),
    }
}

fn from(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(MOST + 1).read_to_end(&mut bytes);
    let length =
        read.map_err(|error| Failure::usage(format!("failed to read the prompt from standard input: {error}")))?;
    if length as u64 > MOST {
        return Err(Failure::usage(format!("the prompt on standard input is longer than {MOST} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("the prompt on standard input is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(Failure::usage("the prompt on standard input is empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_taken_as_it_is() {
        assert_eq!(read(Some("Do it")).ok().as_deref(), Some("Do it"));
        // Whether it makes sense is for the server to say.
        assert_eq!(read(Some("")).ok().as_deref(), Some(""));
    }

    #[test]
    fn a_piped_prompt_is_text_and_has_an_end() {
        assert_eq!(from(&b"line 1\nline 2\n"[..]).ok().as_deref(), Some("line 1\nline 2\n"));
        let refused =
            |input: &[u8]| from(input).map_err(|failure| (failure.code, failure.message)).expect_err("refused");
        assert_eq!(refused(b" \n"), (2, "the prompt on standard input is empty".into()));
        assert_eq!(refused(b"\xff"), (2, "the prompt on standard input is not UTF-8".into()));
        let endless = from(io::repeat(b'x')).map_err(|failure| failure.code);
        assert_eq!(endless, Err(2));
    }
}
