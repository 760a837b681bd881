//! Tests: what a configuration may not say, and the words that it gets.

use std::path::Path;

use proptest::prelude::*;

use super::{Config, EXAMPLE, Environment, Error, tests::Home};

/// What must be said of each text, with a place in the file and a caret.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let home = Home::new();
    for (text, expected) in cases {
        let refusal = home.refusal(text);
        assert!(refusal.starts_with(expected), "{text}\n{refusal}");
        assert!(refusal.contains(" --> HOME/etc/c.toml:"), "{refusal}");
        assert!(refusal.lines().any(|line| line.ends_with('^')), "{refusal}");
    }
}

#[test]
fn a_refusal_looks_like_that_of_a_compiler() {
    assert_eq!(
        Home::new().refusal("[upload]\nparallel = 600 # many\n"),
        "600 is out of range\n --> HOME/etc/c.toml:2:12\n  |\n2 | parallel = 600 # many\n  |            ^^^\n\
         hint: from 1 to 64 is possible here"
    );
    assert_eq!(
        Home::new().refusal("[folder]\npath = '~'\n"),
        "invalid type: map, expected a list\n --> HOME/etc/c.toml:1:1\n  |\n1 | [folder]\n  | ^^^^^^^^\n\
         hint: each folder begins with a line of its own, in double brackets: `[[folder]]`"
    );
}

#[test]
fn values_out_of_range_and_unknown_keys_are_refused() {
    check(&[
        (
            "uplaod.parallel = 3",
            "unknown key `uplaod`, expected one of `state_dir`, `account`",
        ),
        (
            "[upload]\nparalel = 3",
            "unknown key `paralel`, expected one of `parallel`",
        ),
        ("[upload]\nparallel = 0", "0 is out of range"),
        ("[upload]\nparallel = 65", "65 is out of range"),
        (
            "[upload]\nparallel = -1",
            "invalid value: integer `-1`, expected a whole number from 0 on",
        ),
        (
            "[upload]\nparallel = 'six'",
            "invalid type: string \"six\", expected a whole number",
        ),
        (
            "[upload]\nbandwidth = 5",
            "invalid type: integer `5`, expected text in quotes",
        ),
        (
            "[upload]\nbandwidth = '5 bananas'",
            "`5 bananas` is not a size",
        ),
        ("[upload]\nbandwidth = '1KB'", "1KB is out of range"),
        ("[upload]\nchunk_size = '255KiB'", "255KiB is out of range"),
        ("[upload]\nchunk_size = '21GB'", "21GB is out of range"),
        (
            "[upload]\nresumable_above = '99999999999PB'",
            "`99999999999PB` is not a size",
        ),
        ("[upload]\nready_tokens = 49", "49 is out of range"),
        ("[upload", "unclosed table, expected `]`"),
        (
            "upload = 5",
            "invalid type: integer `5`, expected a section",
        ),
        ("state_dir = ''", "a path cannot be empty"),
        ("[batch]\nmax_wait = '5'", "`5` is not a duration"),
        ("[batch]\nmax_wait = '-5s'", "`-5s` is not a duration"),
        (
            "[batch]\nmax_wait = '1 month'",
            "`1 month` is not a duration",
        ),
        ("[batch]\nmax_wait = '2h'", "2h is out of range"),
        (
            "[quota]\nrequests_per_day = 100\nreserve = 100",
            "100 is out of range",
        ),
        ("[quota]\nrequests_per_day = 0", "0 is out of range"),
        ("[quota]\nwrites_per_minute = 0", "0 is out of range"),
        ("[watch]\nsettle = 'never'", "`never` is not a duration"),
        (
            "[watch]\npoll = 'sometimes'",
            "`sometimes` is not one of \"auto\", \"always\", \"never\"",
        ),
        ("[watch]\nsettle = '5s'\nsettle = '6s'", "duplicate key"),
        ("[verify]\nafter = 'soon'", "`soon` is not a duration"),
        ("[retry]\nmax_attempts = 0", "0 is out of range"),
        (
            "[dashboard]\nlisten = 'yes'",
            "`yes` is not an address with a port",
        ),
        (
            "[dashboard]\nlisten = '0.0.0.0:8420'",
            "the dashboard is for this machine only",
        ),
    ]);
}

#[test]
fn folders_with_impossible_rules_are_refused() {
    let cases = [
        ("path = ''", "a path cannot be empty"),
        ("path = '~bob'", "`~` stands for your own home only"),
        ("album = 'none'", "missing key `path`"),
        (
            "path = 'x'\nrecursive = 'yes'",
            "invalid type: string \"yes\", expected `true` or `false`",
        ),
        (
            "path = 'x'\ninclude = '*.jpg'",
            "invalid type: string \"*.jpg\", expected a list",
        ),
        (
            "path = 'x'\ninclude = ['*.jpg', 'a{b']",
            "the glob cannot work: unclosed alternate group",
        ),
        (
            "path = 'x'\nexclude = ['/']",
            "the glob cannot work: it names nothing",
        ),
        (
            "path = 'x'\n[[folder]]\npath = './x/'",
            "another `[[folder]]` above is for the same place",
        ),
        (
            "path = 'x'\nalbum = 'Holidays'",
            "`Holidays` is not an album rule",
        ),
        ("path = 'x'\nalbum = ''", "the album rule is empty"),
        ("path = 'x'\nalbum = 'name: '", "the album has no title"),
        (
            "path = 'x'\nalbum = '{yaer}'",
            "`{yaer}` is not a placeholder",
        ),
        ("path = 'x'\nalbum = '{year'", "a `{` is not closed"),
        (
            "path = 'x'\nalbum = '{year}}'",
            "a `}` has no `{` before it",
        ),
        (
            "path = 'x'\norder = 'date'",
            "`date` is not one of \"taken\", \"name\", \"modified\", \"arrival\"",
        ),
        (
            "path = 'x'\ntimezone = 'Europe/Paradise'",
            "`Europe/Paradise` is not a time zone",
        ),
        (
            "path = 'x'\non_edit = 'replace'",
            "`replace` is not one of \"upload\", \"ignore\"",
        ),
        (
            "path = 'x'\nafter_upload = 'trash'",
            "`trash` is not one of \"keep\", \"delete\"",
        ),
        (
            "path = 'x'\nafter_upload = 'move:'",
            "a path cannot be empty",
        ),
    ];
    for (text, expected) in cases {
        check(&[(&format!("[[folder]]\n{text}"), expected)]);
    }
}

#[test]
fn what_is_not_built_is_refused_where_it_is_written() {
    let cases = [(
        "[dashboard]\nlisten = '127.0.0.1:8420'",
        "serve a dashboard",
    )];
    for (text, what) in cases {
        let sentence = format!("this version cannot {what} yet\n");
        check(&[(text, &sentence)]);
    }
}

#[test]
fn tokens_go_to_safe_addresses_only() {
    let cases = [
        (
            "endpoint",
            "http://photoslibrary.googleapis.com",
            "plain http would show your tokens",
        ),
        (
            "auth_url",
            "http://accounts.google.com/auth",
            "plain http would show your tokens",
        ),
        (
            "token_url",
            "http://192.168.0.2/token",
            "plain http would show your tokens",
        ),
        (
            "revoke_url",
            "http://localhost.example.org/",
            "plain http would show your tokens",
        ),
        (
            "endpoint",
            "https://photoslibrary.googleapis.com/v1",
            "the address of the service ends behind its host",
        ),
        ("token_url", "ftp://x", "an address begins with `https://`"),
        ("token_url", "x", "`x` is not an address"),
        (
            "token_url",
            "https://u:p@x",
            "the address can have neither user nor password",
        ),
    ];
    for (key, address, expected) in cases {
        check(&[(&format!("[api]\n{key} = '{address}'"), expected)]);
    }
}

#[test]
fn only_a_sandbox_may_be_asked_again_in_a_hurry() {
    let backpressure = "[retry]\nrate_limit_base = '20ms'\nserver_error_base = '10ms'\n";
    check(&[
        (backpressure, "10ms is out of range"),
        ("[retry]\nrate_limit_base = '29s'", "29s is out of range"),
    ]);
    let text = format!("api.endpoint = 'http://127.0.0.1:1'\n{backpressure}");
    Home::new().load(&text).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_is_the_same_folder() {
    let home = Home::new();
    std::fs::create_dir(home.path("photos")).unwrap();
    std::os::unix::fs::symlink(home.path("photos"), home.path("link")).unwrap();
    let refusal = home.refusal("[[folder]]\npath = '~/photos'\n[[folder]]\npath = '~/link'\n");
    assert!(refusal.starts_with("another `[[folder]]`"), "{refusal}");
    assert!(refusal.contains("c.toml:4:8"), "{refusal}");
}

#[test]
fn what_is_no_text_file_is_refused() {
    let home = Home::new();
    let file = home.write("latin.toml", b"[account] # caf\xe9\n");
    let error = Config::load(Some(&file), None, &home.env).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("not UTF-8"), "{error}");
    assert!(error.contains("1 | [account] # caf\\xe9"), "{error}");

    let file = home.write("large.toml", vec![b'#'; (1 << 20) + 1]);
    let error = Config::load(Some(&file), None, &home.env).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");

    let folder = home.path("");
    let error = Config::load(Some(&folder), None, &home.env).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[test]
fn what_is_shown_of_a_value_cannot_move_the_cursor() {
    let refusal = Home::new().refusal("[watch]\npoll = \"\\u001b[2J\"");
    assert!(!refusal.contains('\u{1b}'), "{refusal:?}");
}

proptest! {
    /// Whatever an editor does to the file, the answer is a configuration or a place.
    #[test]
    fn a_spoilt_file_is_understood_or_refused_with_its_place(
        at in 0..EXAMPLE.len(),
        removed in 0usize..40,
        put in prop_oneof![any::<Vec<u8>>(), "[\\[\\]{}\"'#=\n, a-z0-9]{0,8}".prop_map(Vec::from)],
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        let end = (at + removed).min(bytes.len());
        bytes.splice(at..end, put);
        let env = Environment { home: Some("/home/ada".into()), ..Environment::default() };
        if let Err(error) = Config::parse(&bytes, Path::new("/c.toml"), None, &env) {
            let error = error.to_string();
            prop_assert!(error.contains("--> /c.toml:"), "{error}");
            prop_assert!(error.lines().any(|line| line.ends_with('^')), "{error}");
        }
    }
}
