use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;

use super::*;

fn rules(include: &[&str], exclude: &[&str]) -> Rules {
    let owned = |globs: &[&str]| {
        globs
            .iter()
            .map(|glob| (*glob).to_owned())
            .collect::<Vec<_>>()
    };
    Rules::new(&owned(include), &owned(exclude)).unwrap()
}

fn says(rules: &Rules, path: &str) -> String {
    rules.check_path(Path::new(path), false).to_string()
}

#[test]
fn without_patterns_every_photo_and_video_is_taken() {
    let rules = rules(&[], &[]);
    for path in [
        "a.jpg",
        "2024/05/IMG_1.HEIC",
        "a b/.hidden.jpg",
        "x/y/z/v.MTS",
    ] {
        assert_eq!(
            rules.check_path(Path::new(path), false),
            Verdict::Take,
            "{path}"
        );
    }
    let bytes = Path::new(OsStr::from_bytes(b"caf\xe9/\x1b[2J\n.jpg"));
    assert_eq!(rules.check_path(bytes, false), Verdict::Take);
    assert_eq!(
        rules.check_path(Path::new("notes.txt"), false),
        Verdict::OtherKind
    );
    assert_eq!(
        rules.check_path(Path::new("clip.webm"), false),
        Verdict::OtherKind
    );
}

#[test]
fn everything_in_an_excluded_folder_is_excluded_and_the_rule_is_named() {
    let rules = rules(&[], &[]);
    assert_eq!(
        says(&rules, "2024/@eaDir/IMG_1.JPG/SYNOPHOTO_THUMB_XL.jpg"),
        "`@eaDir` is on the built-in junk list: thumbnails and metadata of Synology DSM"
    );
    assert_eq!(
        says(&rules, "._IMG_1.jpg"),
        "`._*` is on the built-in junk list: file attributes of macOS"
    );
    assert_eq!(
        says(&rules, ".cache/a/b.jpg"),
        "`.*` is on the built-in junk list: a hidden folder, where programs keep caches and trash"
    );
    assert!(matches!(
        rules.check_path(Path::new("a.lrdata"), true),
        Verdict::Junk {
            pattern: "*.lrdata",
            ..
        }
    ));
}

#[test]
fn a_pattern_without_a_slash_is_for_names_in_any_depth() {
    let rules = rules(&[], &["*.mov", "Private"]);
    assert_eq!(
        says(&rules, "a/b/CLIP.MOV"),
        "`exclude` names it: \"*.mov\""
    );
    assert_eq!(
        says(&rules, "x/private/y/a.jpg"),
        "`exclude` names it: \"Private\""
    );
    assert_eq!(
        rules.check_path(Path::new("x/Private"), true),
        Verdict::Excluded { glob: "Private" }
    );
    assert_eq!(
        rules.check_path(Path::new("Privates/a.jpg"), false),
        Verdict::Take
    );
}

#[test]
fn a_pattern_with_a_slash_counts_from_the_root_and_stars_stop_at_slashes() {
    let rules = rules(
        &[],
        &["2024/raw", "/top.jpg", "*/small/*.jpg", "deep/**/x.jpg"],
    );
    let excluded = |path: &str| {
        matches!(
            rules.check_path(Path::new(path), false),
            Verdict::Excluded { .. }
        )
    };
    for path in [
        "2024/raw/a.jpg",
        "top.jpg",
        "a/small/b.jpg",
        "deep/a/b/x.jpg",
        "deep/x.jpg",
    ] {
        assert!(excluded(path), "{path}");
    }
    for path in [
        "a/2024/raw/a.jpg",
        "a/top.jpg",
        "a/b/small/c.jpg",
        "a/small/b/c.jpg",
        "deep/y.jpg",
    ] {
        assert!(!excluded(path), "{path}");
    }
}

#[test]
fn a_slash_or_two_stars_at_the_end_match_folders_and_everything_below() {
    let rules = rules(&[], &["scans.jpg/", "old/**"]);
    let verdict = |path: &str, is_dir| rules.check_path(Path::new(path), is_dir) == Verdict::Take;
    assert!(verdict("scans.jpg", false));
    assert!(!verdict("a/scans.jpg", true));
    assert!(!verdict("scans.jpg/a.jpg", false));
    assert!(!verdict("old", true));
    assert!(!verdict("old/a/b.jpg", false));
    assert!(verdict("a/old/b.jpg", false));
}

#[test]
fn include_narrows_by_file_or_by_folder_and_exclude_wins() {
    let rules = rules(&["*.jpg", "Camera/", "2024/**"], &["bad*"]);
    for path in ["a/b.JPG", "x/Camera/v.mp4", "2024/05/v.mp4"] {
        assert_eq!(
            rules.check_path(Path::new(path), false),
            Verdict::Take,
            "{path}"
        );
    }
    assert_eq!(rules.check_path(Path::new("x"), true), Verdict::Take);
    assert_eq!(says(&rules, "x/v.mp4"), "no pattern of `include` names it");
    assert_eq!(says(&rules, "bad1.jpg"), "`exclude` names it: \"bad*\"");
    assert_eq!(
        rules.check_path(Path::new("Camera/a.txt"), false),
        Verdict::OtherKind
    );
}

#[test]
fn a_pattern_that_cannot_be_used_is_refused_by_its_key() {
    for (glob, reason) in [
        ("[a", "unclosed character class"),
        ("", "it names nothing"),
        ("/", "it names nothing"),
    ] {
        let error = Rules::new(&[], &[glob.to_owned()]).unwrap_err();
        assert_eq!((error.key, error.glob.as_str()), ("exclude", glob));
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn every_built_in_exclude_is_found_by_its_own_pattern() {
    for (kind, is_dir) in [("file", false), ("dir", true)] {
        let excludes = DefaultExcludes::of(kind).unwrap();
        assert!(excludes.lines.len() > 20);
        for (pattern, origin) in excludes.lines {
            let name = pattern.replace('*', "x1").replace('?', "\r");
            for name in [name.to_uppercase(), name.to_lowercase(), name] {
                let found = default_exclude(OsStr::new(&name), is_dir);
                assert_eq!(found, Some((pattern, origin)), "{name}");
            }
        }
    }
}

#[test]
fn ordinary_names_match_no_built_in_exclude() {
    for name in [
        "IMG_1.JPG",
        ".hidden.jpg",
        "party.jpg",
        "Trash.jpg",
        "~a.jpg",
        "a",
    ] {
        assert_eq!(default_exclude(OsStr::new(name), false), None, "{name}");
    }
    for name in ["2024", "Trash", "Recycle", "a.b", "lost"] {
        assert_eq!(default_exclude(OsStr::new(name), true), None, "{name}");
    }
}

proptest! {
    #[test]
    fn checking_a_path_agrees_with_checking_folder_by_folder(
        parts in prop::collection::vec(
            prop::sample::select(vec!["a", "@eaDir", "old", "2024", ".git", "raw", "b.jpg"]), 1..5),
    ) {
        let rules = rules(&["2024/**", "*.jpg"], &["old/", "a/raw"]);
        let path = parts.join("/");
        // The scan goes down folder by folder and stops at the first that is not taken.
        let mut dir = String::new();
        let mut step_by_step = Verdict::Take;
        for (n, part) in parts.iter().enumerate() {
            step_by_step = rules.check_entry(Path::new(&dir), OsStr::new(part), n + 1 < parts.len());
            if step_by_step != Verdict::Take {
                break;
            }
            if !dir.is_empty() {
                dir.push('/');
            }
            dir.push_str(part);
        }
        prop_assert_eq!(rules.check_path(Path::new(&path), false), step_by_step);
    }
}
