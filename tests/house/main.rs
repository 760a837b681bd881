//! Holds the sources to their own rules: which module may use which, no circles of files, a size that
//! does not grow unseen, and words that do not come back.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod source;

use std::{collections::BTreeSet, fs, path::PathBuf};

use source::Sources;

/// Which modules of the crate each may use. The modules of `ANY` are small helpers that every one may
/// use; they have no row.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("escape", &[]),
    ("failpoint", &[]),
    ("exit_code", &[]),
    ("cli", &["exit_code"]),
    ("lock", &[]),
    ("progress", &["model"]),
    ("model", &[]),
    ("config", &["model"]),
    ("safe_open", &[]),
    ("photos_api", &["model"]),
    // To be narrowed: `store` below `media`.
    (
        "media",
        &["model", "config", "photos_api", "safe_open", "store"],
    ),
    ("store", &["model"]),
    (
        "context",
        &["model", "config", "photos_api", "progress", "store"],
    ),
    ("scan", STAGE),
    ("upload", STAGE),
    ("writer", STAGE),
    ("verify", STAGE),
    ("after_upload", STAGE),
    ("status", &["model", "store"]),
    ("daemon", WHOLE),
    ("rebuild", WHOLE),
    (
        "ui",
        &[
            "cli",
            "config",
            "context",
            "daemon",
            "exit_code",
            "lock",
            "photos_api",
            "status",
            "store",
        ],
    ),
    ("commands", WHOLE),
];

/// What the tasks between scan and `after_upload` may use.
const STAGE: &[&str] = &[
    "config",
    "context",
    "media",
    "model",
    "photos_api",
    "progress",
    "safe_open",
    "scan",
    "store",
    "upload",
];

/// What puts the tasks together may use everything.
const WHOLE: &[&str] = &[
    "after_upload",
    "cli",
    "config",
    "context",
    "daemon",
    "exit_code",
    "lock",
    "media",
    "model",
    "photos_api",
    "progress",
    "rebuild",
    "safe_open",
    "scan",
    "status",
    "store",
    "ui",
    "upload",
    "verify",
    "writer",
];

const ANY: &[&str] = &["escape", "clock", "failpoint"];

/// The most lines of production code of the workspace: neither blank nor comment, no tests. It may only
/// be lowered.
const MOST_LINES: usize = 37_700;

/// The most production files of the workspace. It may only be lowered.
const MOST_FILES: usize = 233;

/// The most groups of files of a crate that use one another in a circle. It may only be lowered; the aim is 0.
const MOST_CIRCLES: usize = 9;

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn albumen() -> Sources {
    Sources::read(&workspace().join("src"))
}

/// All crates of the workspace.
fn crates() -> Vec<Sources> {
    let sandbox = workspace().join("crates/photos-sandbox/src");
    vec![albumen(), Sources::read(&sandbox)]
}

#[test]
fn every_module_uses_only_what_it_may() {
    let sources = albumen();
    let mut wrong = Vec::new();
    for (path, file) in sources.files.iter().filter(|(path, _)| !path.is_empty()) {
        let module = path[0].as_str();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} has no row in the table"));
            continue;
        };
        for used in sources.modules_used(path) {
            let is_allowed = used == module || ANY.contains(&used.as_str());
            if !is_allowed && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_row_of_the_table_is_a_module() {
    let sources = albumen();
    for (name, _) in MAY_USE {
        let path = vec![(*name).to_owned()];
        assert!(sources.files.contains_key(&path), "{name} is no module");
    }
}

#[test]
fn no_file_uses_another_that_uses_it() {
    for sources in crates() {
        let circles = sources.circles();
        assert!(circles.len() <= MOST_CIRCLES, "{circles:#?}");
    }
}

#[test]
fn the_production_code_does_not_grow() {
    let crates = crates();
    let lines: usize = crates.iter().map(Sources::production_lines).sum();
    let files: usize = crates.iter().map(|sources| sources.files.len()).sum();
    println!("{lines} lines in {files} files");
    assert!(lines <= MOST_LINES, "{lines} lines of production code");
    assert!(files <= MOST_FILES, "{files} production files");
}

/// Words of the private language that this code once had. A newcomer does not search for them.
const BANNED: &[&str] = &[
    "ails", "anew", "hunt", "hurried", "leavers", "stumbled", "suspects", "whoever", "whomever",
];

#[test]
fn comments_and_names_do_without_the_banned_words() {
    let mut found = Vec::new();
    for sources in crates() {
        for file in sources.files.values() {
            for (number, line) in file.text.lines().enumerate() {
                // Printed text may use any word; an odd number of quotes is a part of a longer text.
                if line.matches('"').count() % 2 == 1 {
                    continue;
                }
                let line = line.split('"').next().unwrap_or_default();
                let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '\'');
                if let Some(word) = words.find(|word| BANNED.contains(word)) {
                    found.push(format!("{}:{}: {word}", file.path.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_architecture_page_names_every_module_and_only_files_that_exist() {
    let page = fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let way = page.split("## The way of one photo").nth(1).unwrap();
    let way = way.split("\n## ").next().unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let parts = text.split('`').filter(|part| part.starts_with("src/"));
        parts.map(str::to_owned).collect()
    };
    for path in named(&page) {
        assert!(workspace().join(&path).exists(), "{path} does not exist");
    }
    let on_the_way = named(way).len();
    assert!(
        on_the_way <= 50,
        "the way of one photo has {on_the_way} files"
    );
    let sources = albumen();
    for module in sources.files.keys().filter(|path| path.len() == 1) {
        assert!(
            page.contains(&module[0]),
            "{} is not on the page",
            module[0]
        );
    }
}
