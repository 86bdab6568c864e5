//! The rules that the folders stand for, held against the sources: which package and which stage may use which, and
//! where SQL, HTTP, the environment, processes, the clock and randomness are.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic, also in its helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The packages of ours that each package may use.
const PACKAGES: [(&str, &[&str]); 6] = [
    ("model", &[]),
    ("agents", &["model"]),
    ("client", &["model"]),
    ("gateway", &["model"]),
    ("runner", &["model", "agents"]),
    ("server", &["model", "agents", "gateway", "runner"]),
];

/// What reaches the outside world, and the packages that may use it.
const OUTSIDE: [(&str, &[&str]); 9] = [
    ("sea-orm", &["server"]),
    ("sea-orm-migration", &["server"]),
    ("axum", &["server", "gateway"]),
    ("hyper", &["server", "gateway", "runner"]),
    ("redis", &["server", "client"]),
    ("reqwest", &["server", "client", "gateway"]),
    ("rustix", &["server", "runner"]),
    ("tokio", &["server", "runner", "gateway", "client"]),
    ("clap", &["server"]),
];

/// The stages that a run passes through. Each may use those behind it.
const STAGES: [&str; 5] = ["doors", "admission", "scheduler", "executor", "events"];

/// What all stages may use, and what each of these may use in turn.
const SHARED: [(&str, &[&str]); 10] = [
    ("store", &[]),
    ("config", &["parse"]),
    ("parse", &[]),
    ("project", &["config", "mcp", "parse"]),
    ("mcp", &["config", "parse", "secrets"]),
    ("mask", &[]),
    ("secrets", &["config", "store"]),
    ("alarm", &["config", "mask", "store"]),
    ("lifecycle", &["scheduler"]),
    ("app", &["admission", "config", "events", "executor", "lifecycle", "mask", "store"]),
];

/// What puts everything together; nobody uses it but the binary and each other.
const RIM: [&str; 2] = ["service", "commands"];

/// What has one place: a prefix of the path below `crates/`.
const PLACES: [(&str, &[&str]); 13] = [
    ("sea_orm::", &["server/src/store/"]),
    ("sqlx::", &["server/src/store/"]),
    ("::redis::", &["server/src/doors/redis/"]),
    ("axum::", &["server/src/doors/", "server/src/service.rs", "gateway/src/"]),
    ("env::var", &["server/src/config/"]),
    ("env::set_var", &[]),
    ("env::args", &[]),
    ("Command::new(", &["runner/src/starter/", "runner/src/supervisor/"]),
    ("SystemTime::now", &["model/src/clock.rs"]),
    ("now_utc()", &["model/src/clock.rs"]),
    ("rand::", &["model/src/id.rs"]),
    ("std::thread::sleep", &[]),
    ("unsafe {", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// All files below `folder`, without what was built, installed or downloaded.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // In a linked work tree `.git` is a file.
        if ["target", "node_modules", ".git", ".cache", "legwork-data"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The production code of a package: its name below `crates/` and its text, without tests and comments.
fn sources(package: &str) -> Vec<(String, String)> {
    let crates = root().join("crates");
    let sources = files(&crates.join(package).join("src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let source = |path: PathBuf| {
        let name = path.strip_prefix(&crates).expect("below crates/").to_string_lossy().into_owned();
        (name, code(&fs::read_to_string(&path).expect("a source")))
    };
    let is_test = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/");
    sources.map(source).filter(|(name, _)| !is_test(name)).collect()
}

fn code(text: &str) -> String {
    let production = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn packages_use_only_what_they_may() {
    let found: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .expect("crates/")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, PACKAGES.iter().map(|(name, _)| (*name).to_owned()).collect(), "a package without a rule");
    for (package, allowed) in PACKAGES {
        let manifest = fs::read_to_string(root().join("crates").join(package).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let used: BTreeSet<&str> =
            manifest["dependencies"].as_table().expect("a table").keys().map(String::as_str).collect();
        let ours: BTreeSet<&str> = used.iter().filter_map(|name| name.strip_prefix("legwork-")).collect();
        let more: Vec<_> = ours.iter().filter(|name| !allowed.contains(name)).collect();
        assert!(more.is_empty(), "{package} must not use {more:?}");
        for (outside, users) in OUTSIDE {
            assert!(!used.contains(outside) || users.contains(&package), "{package} must not use {outside}");
        }
    }
}

#[test]
fn stages_use_only_those_behind_them() {
    let mut wrong = Vec::new();
    for (name, code) in sources("server") {
        let module = module_of(&name);
        let Some(allowed) = allowed_for(module) else { continue };
        for used in modules_used(&code) {
            if used != module && !allowed.contains(&used) {
                wrong.push(format!("{name} uses {used}, but {module} may use {allowed:?} only"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `server/src/doors/mod.rs` and `server/src/doors.rs` are both of `doors`.
fn module_of(name: &str) -> &str {
    let inner = name.strip_prefix("server/src/").unwrap_or(name);
    inner.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// `None` where everything is allowed.
fn allowed_for(module: &str) -> Option<Vec<&str>> {
    if let Some(place) = STAGES.iter().position(|stage| *stage == module) {
        let shared = SHARED.iter().map(|(name, _)| *name);
        return Some(STAGES[place + 1..].iter().copied().chain(shared).collect());
    }
    if let Some((_, allowed)) = SHARED.iter().find(|(name, _)| *name == module) {
        return Some(allowed.to_vec());
    }
    let known = RIM.contains(&module) || ["lib", "main"].contains(&module);
    assert!(known, "there is no rule for the module `{module}`");
    None
}

/// The modules named in `crate::…` paths, in groups as well.
fn modules_used(code: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        let group = path.strip_prefix('{').and_then(|rest| rest.split('}').next());
        used.extend(group.unwrap_or(ident(path)).split(',').map(|one| ident(one.trim())));
    }
    used.retain(|name| !name.is_empty());
    used
}

fn ident(text: &str) -> &str {
    let end = text.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn what_has_one_place_is_nowhere_else() {
    let mut wrong = Vec::new();
    for (package, _) in PACKAGES {
        for (name, code) in sources(package) {
            for (pattern, places) in PLACES {
                let allowed = places.iter().any(|place| name.starts_with(place));
                let line = code.lines().find(|line| !allowed && names(line, pattern));
                wrong.extend(line.map(|line| format!("{name}: `{pattern}` belongs to {places:?}: {}", line.trim())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether `line` holds `pattern`, not as the end of a longer name.
fn names(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_'))
}

#[test]
fn modules_stand_in_the_order_a_run_flows() {
    let lib = fs::read_to_string(root().join("crates/server/src/lib.rs")).expect("lib.rs");
    let modules: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules[..STAGES.len()], STAGES);
    let rest: BTreeSet<&str> = modules[STAGES.len()..].iter().copied().collect();
    assert_eq!(rest, SHARED.iter().map(|(name, _)| *name).chain(RIM).collect());
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // In halves, because this file is one of those that are read.
    let forbidden = [concat!("/wo", "rk/"), concat!("../sh", "ared"), concat!("iss", "ue #"), concat!("BRI", "EF.md")];
    let mut wrong = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let lines = text.lines().enumerate().filter(|(_, line)| forbidden.iter().any(|word| names(line, word)));
        wrong.extend(lines.map(|(number, _)| format!("{}:{}", path.display(), number + 1)));
    }
    assert!(wrong.is_empty(), "paths and papers of somebody's machine:\n{}", wrong.join("\n"));
}
