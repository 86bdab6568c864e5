//! The command that a person would have typed, out of the one that Codex starts.

/// What is inside of `/bin/bash -lc '…'`, which is how the program runs most commands; others as they are.
pub(super) fn inner_command(command: &str) -> String {
    let inner = command.split_once(" -lc ").and_then(|(program, script)| {
        let shell = program.rsplit('/').next().is_some_and(|name| ["bash", "sh", "zsh"].contains(&name));
        if shell { one_word(script) } else { None }
    });
    inner.unwrap_or_else(|| command.to_owned())
}

/// What a shell makes of `text`, where that is one word without anything that it would expand.
fn one_word(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => loop {
                match characters.next()? {
                    '\'' => break,
                    quoted => word.push(quoted),
                }
            },
            '"' => loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => word.push(characters.next()?),
                    '$' | '`' => return None,
                    quoted => word.push(quoted),
                }
            },
            '\\' => word.push(characters.next()?),
            plain if plain.is_alphanumeric() || "_-./:=,+@%^".contains(plain) => word.push(plain),
            _ => return None,
        }
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_around_a_command_is_taken_off() {
        for (command, inner) in [
            ("/bin/bash -lc ls", "ls"),
            ("/bin/bash -lc 'echo hi > f.txt; cat f.txt'", "echo hi > f.txt; cat f.txt"),
            (r#"/bin/bash -lc "echo 'a b' \"\$x\"""#, r#"echo 'a b' "$x""#),
            (r"/usr/bin/zsh -lc 'it'\''s'", "it's"),
            // Not one word, or not whole: nothing may be hidden behind what is shown.
            ("/bin/bash -lc 'ls' rm", "/bin/bash -lc 'ls' rm"),
            ("/bin/bash -lc 'ls", "/bin/bash -lc 'ls"),
            ("/bin/bash -lc \"$(x)\"", "/bin/bash -lc \"$(x)\""),
            ("/bin/bash -lc ls;rm", "/bin/bash -lc ls;rm"),
            ("python -lc ls", "python -lc ls"),
            ("", ""),
        ] {
            assert_eq!(inner_command(command), inner, "{command}");
        }
    }
}
