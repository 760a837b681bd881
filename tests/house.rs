//! The house keeps its own rules: who may use whom, and how large a room may be.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Which modules of the crate each may use. The modules of `ANY` are small helpers that every one but the
/// sandbox may use; they have no row.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("escape", &[]),
    ("failpoint", &[]),
    ("cli", &[]),
    ("lock", &[]),
    ("progress", &["model"]),
    ("sandbox", &[]),
    ("model", &["config"]),
    ("config", &[]),
    // To be narrowed: `scan` and `store` below `media` and `safe_open`.
    ("safe_open", &["config", "scan"]),
    ("photos_api", &["model"]),
    (
        "media",
        &[
            "model",
            "config",
            "photos_api",
            "safe_open",
            "scan",
            "store",
        ],
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
    "lock",
    "media",
    "model",
    "photos_api",
    "progress",
    "rebuild",
    "safe_open",
    "sandbox",
    "scan",
    "status",
    "store",
    "upload",
    "verify",
    "writer",
];

const ANY: &[&str] = &["escape", "clock", "failpoint"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The module of the crate that a source file belongs to.
fn module(path: &Path) -> String {
    let first = path
        .strip_prefix(root())
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The modules that a source file names after `crate::`, in one piece or in braces.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && c.is_ascii_alphabetic() => {
                    found.insert(word(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn every_module_uses_only_what_it_may() {
    let mut wrong = Vec::new();
    for path in sources(&root()) {
        let module = module(&path);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{module} stands in no row of the table"));
            continue;
        };
        for used in used(&fs::read_to_string(&path).unwrap()) {
            let word = module != "sandbox" && ANY.contains(&used.as_str());
            if used != module && !word && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_used_is_seen_in_one_piece_and_in_braces() {
    let text = "use crate::store::Store;\nuse crate::{\n  api::{Call, wire},\n  ids::X,\n};\n// crate::no\n";
    let names: Vec<_> = used(text).into_iter().collect();
    assert_eq!(names, ["api", "ids", "store"]);
}
