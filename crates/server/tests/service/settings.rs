//! Settings: what is written is what is read, and secrets are never shown.

use std::collections::BTreeSet;

use legwork_server::config::{Config, Environment, Secret, load};
use serde_json::Value;

/// Loads `text` as a settings file.
fn load_text(text: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("legwork.toml");
    std::fs::write(&file, text).expect("the file");
    load(Some(&file), &Environment::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn show(config: &Config) -> String {
    toml::to_string_pretty(config).expect("settings are TOML")
}

#[test]
fn the_defaults_are_what_they_are() {
    insta::assert_snapshot!(show(&load_text("")));
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let shown = show(&load_text(
        "[lanes.slow]\nconcurrency = 1\n[limits]\nmax_turns = 5\nmax_cost_usd = '$0.50'\n[workspaces]\nroots = ['/srv']\n\
         [agents.claude-code]\nprogram = '/opt/claude'\n[projects.site]\nmodels = ['claude-*']\n[rehearsal]\nscript = 'a.txt'\n",
    ));
    assert_eq!(show(&load_text(&shown)), shown);
    for changed in
        ["[lanes.slow]", "max_turns = 5", "max_cost_usd = 0.5", "[projects.site]", "\"/srv\"", "/opt/claude", "a.txt"]
    {
        assert!(shown.contains(changed), "{changed} is not in\n{shown}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut config = load_text("[database]\nurl = 'postgres://kim:hunter2@db/legwork'\n");
    let claude = config.agents.get_mut("claude-code").expect("settings");
    claude.api_key = Some(Secret::new("sk-hunter2"));
    claude.auth_token = Some(Secret::new("hunter2-token"));
    claude.oauth_token = Some(Secret::new("oauth-hunter2"));
    for shown in [show(&config), format!("{config:?}"), serde_json::to_string(&config).expect("JSON")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("***").count(), 4, "{shown}");
    }
}

#[test]
fn the_schema_knows_every_setting() {
    let schema = Config::schema();
    let sections = schema["properties"].as_object().expect("properties");
    let shown: Value = serde_json::to_value(load_text("")).expect("JSON");
    let known: BTreeSet<_> = sections.keys().collect();
    assert_eq!(known, shown.as_object().expect("sections").keys().collect());
    assert_eq!(schema["additionalProperties"], false);
    assert!(sections.values().all(|section| section["description"].is_string()), "{schema}");
}
