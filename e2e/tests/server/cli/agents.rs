//! `legwork agents`

use super::terminal::Terminal;

#[tokio::test]
async fn an_agent_that_does_not_do_what_is_relied_on_fails_its_cases() {
    // The scripted agent says back what it does not understand.
    let said = Terminal::new().call(&["agents", "verify", "claude-code"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let rows: Vec<_> = said.stdout.lines().collect();
    assert_eq!(rows.len(), 11, "{}", said.stdout);
    let text = rows.iter().find(|row| row.starts_with("text ")).expect("a row");
    assert!(text.contains("FAILED") && text.contains("You said:"), "{text}");
}

#[tokio::test]
async fn a_real_agent_passes_all_cases() {
    let Ok(installed) = std::env::var("LEGWORK_TEST_AGENTS") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_AGENTS must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_AGENTS is not set; `make test` installs the programs and sets it");
        return;
    };
    let said = Terminal::new().call(&["agents", "verify", "codex", "--data-dir", &installed]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout.lines().filter(|row| row.contains(" ok ")).count(), 10, "{}", said.stdout);
}

#[tokio::test]
async fn agents_are_listed_and_mistakes_in_their_names_noticed() {
    let terminal = Terminal::new();
    let listed = terminal.call(&["agents", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(
        listed.stdout.contains("2.1.197 (Claude Code)") && listed.stdout.contains("agents install codex"),
        "{listed:?}"
    );
    for action in ["install", "verify"] {
        let said = terminal.call(&["agents", action, "codx"]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("Did you mean `codex`?"), "{said:?}");
    }
    let cursor = terminal.call(&["agents", "install", "cursor"]).await;
    assert!(cursor.code == Some(1) && cursor.stderr.contains("cursor.com"), "{cursor:?}");
    let own = "[agents.mine]\nprogram = \"/bin/true\"\n[agents.mine.custom]\nargs = [\"{nothing}\"]\n";
    terminal.write("legwork.toml", own);
    let wrong = terminal.call(&["agents", "list"]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("agents.mine.custom.args"), "{wrong:?}");
}

#[tokio::test]
async fn an_agent_of_the_operators_own_does_a_job() {
    let terminal = Terminal::new();
    let own = "[agents.echo]\nprogram = \"/bin/sh\"\n[agents.echo.custom]\nargs = [\"-c\", \"cat; echo ' in '$(basename $PWD)\"]\n";
    terminal.write("legwork.toml", own);
    let said = terminal.call(&["run", "--agent", "echo", "Say it."]).await;
    assert_eq!((said.code, said.stdout.trim()), (Some(0), "Say it. in work"), "{said:?}");
}
