//! Commands that only tell: what they say, and that they leave nothing behind.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    process::Stdio,
};

use serde_json::Value;

use super::home::{Home, interrupt, picture};

#[test]
fn init_writes_a_configuration_once_and_the_program_accepts_it() {
    let home = Home::new();
    let first = home.run(&["init"]);
    assert_eq!(
        (first.code, first.out.as_str()),
        (0, "~/.config/albumen/config.toml\n")
    );
    let second = home.run(&["init"]);
    assert_eq!(second.code, 2);
    assert_eq!(
        second.err,
        "error: there is a configuration already: `~/.config/albumen/config.toml`\n\
         hint: edit it, or move it away and run `albumen init` again\n"
    );
    assert_eq!(home.run(&["status"]).code, 0);
    let elsewhere = home.run(&["--config", "mine/c.toml", "init"]);
    assert_eq!(
        (elsewhere.code, elsewhere.out.as_str()),
        (0, "~/mine/c.toml\n")
    );
}

#[test]
fn the_status_of_nothing_is_an_answer_and_leaves_nothing_behind() {
    let home = Home::new();
    let text = home.run(&["status"]);
    assert_eq!(text.code, 0);
    assert_eq!(
        text.out,
        "nothing is queued, and nothing has gone up yet\n\
         \n\
         \x20 in Google Photos  0\n\
         \x20 waiting           0\n\
         \x20 failed            0\n\
         \n\
         \x20 0 of 10,000 requests of the day\n"
    );
    let json = home.run(&["--status", "--json"]);
    let status: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["process"]["running"], false);
    assert_eq!(status["account"]["state"], "ready");
    assert_eq!(status["lane"]["state"], "idle");
    assert_eq!(status["quota"]["limit"], 10_000);
    for (section, keys) in [
        (
            "items",
            "settling queued uploading uploaded creating created verified failed missing skipped",
        ),
        ("placements", "wanted placed leaving gone refused held"),
        ("bytes", "queued sent"),
    ] {
        let section = status[section].as_object().unwrap();
        assert_eq!(section.len(), keys.split(' ').count());
        for key in keys.split(' ') {
            assert_eq!(section[key], 0, "{key}");
        }
    }
    for key in ["seconds", "bound_by"] {
        assert_eq!(status["eta"][key], Value::Null);
    }
    assert_eq!(home.run(&["albums"]).code, 0);
    assert_eq!(home.state(), Vec::<String>::new());
    assert!(!home.path(".local").exists());
}

#[test]
fn a_state_folder_that_may_not_be_read_names_its_owner() {
    if is_root() {
        // Nothing can be kept from root.
        return;
    }
    let home = Home::new();
    let state = home.path("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o000)).unwrap();
    let ran = home.run(&["--state-dir", "state", "status"]);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("the state folder `~/state` may not be read"),
        "{}",
        ran.err
    );
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| {
        use std::os::unix::fs::MetadataExt as _;
        metadata.uid() == 0
    })
}

#[test]
fn a_mistake_in_the_configuration_is_shown_with_its_line_and_ends_with_2() {
    let home = Home::new().configured("[[folder]]\npath = \"~/P\"\nalbun = \"folder\"\n");
    for command in [
        &["daemon"][..],
        &["backfill"],
        &["status"],
        &["explain", "x"],
    ] {
        let ran = home.run(command);
        assert_eq!(ran.code, 2, "{command:?}");
        assert!(
            ran.err.starts_with("error: unknown key `albun`"),
            "{}",
            ran.err
        );
        assert!(
            ran.err.contains(
                "--> ~/.config/albumen/config.toml:3:1\n  |\n3 | albun = \"folder\"\n  | ^^^^^\n"
            ),
            "{}",
            ran.err
        );
    }
}

#[test]
fn without_a_configuration_the_daemon_says_where_it_looked() {
    let home = Home::new();
    let ran = home.run(&["daemon"]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error: there is no configuration; looked for `~/.config/albumen/config.toml`\n\
         hint: `albumen init` writes one, `albumen --config FILE` names another\n"
    );
}

#[test]
fn tokens_do_not_travel_in_the_open() {
    let home = Home::new().configured("[api]\nendpoint = \"http://photos.example\"\n");
    let ran = home.run(&["backfill"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("2 | endpoint = \"http://photos.example\""),
        "{}",
        ran.err
    );
}

#[test]
fn usage_that_cannot_be_ends_with_2_and_help_with_0() {
    let home = Home::new();
    assert_eq!(home.run(&["backfil"]).code, 2);
    assert_eq!(home.run(&["retry"]).code, 2);
    assert_eq!(home.run(&["sandbox", "--listen", "0.0.0.0:80"]).code, 2);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    home.write("a file", "words");
    for (arguments, remedy) in [
        (
            ["sandbox", "--listen", &address],
            "name another address with `--listen`",
        ),
        (
            ["sandbox", "--data", "a file"],
            "name a folder that may be written",
        ),
    ] {
        let ran = home.run(&arguments);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(remedy), "{}", ran.err);
    }
    let help = home.run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("130  interrupted"), "{}", help.out);
    let mistyped = home.run(&["backfill", "nowhere"]);
    assert_eq!(mistyped.code, 2);
    assert_eq!(
        mistyped.err,
        "error: cannot take `~/nowhere`: No such file or directory (os error 2)\n"
    );
}

#[test]
fn explain_names_the_rule_and_the_album_also_of_a_file_that_is_not_there() {
    let home = Home::new().configured(
        "[[folder]]\npath = \"~/P\"\nalbum = \"folder\"\norder = \"name\"\nexclude = [\"raw/\"]\n",
    );
    home.write("P/Crete/a.png", picture(1));
    home.write("P/Crete/text.jpg", "no picture at all, only words");
    let said = |path: &str| {
        let ran = home.run(&["explain", path]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        ran.out
    };
    assert_eq!(
        said("P/Crete/a.png"),
        "~/P/Crete/a.png\n\
         It belongs to the folder `~/P` of the configuration.\n\
         It goes up, as a photo (PNG, 61 B).\n\
         Its album is \"Crete\", in which it stands by its name.\n\
         Albumen has not seen it yet.\n"
    );
    assert!(
        said("P/Crete/b.jpg")
            .contains("There is no such file; by its name and place it would go up.\n")
    );
    assert!(said("P/raw/b.jpg").contains("It does not go up: `exclude` names it: \"raw/\".\n"));
    assert!(said("P/@eaDir/b.jpg").contains("built-in junk list"));
    assert!(
        said("P/Crete/text.jpg")
            .contains("It does not go up: it holds text, not a photo or video.\n")
    );
    assert!(
        said("elsewhere/b.jpg")
            .starts_with("~/elsewhere/b.jpg\nIt is in no folder of the configuration")
    );
}

#[test]
fn a_link_is_explained_as_it_is_treated() {
    let home = Home::new().configured("[[folder]]\npath = \"~/P\"\n");
    let photo = home.write("elsewhere/a.png", picture(1));
    fs::create_dir(home.path("P")).unwrap();
    symlink(home.path("elsewhere"), home.path("P/linked")).unwrap();
    symlink(&photo, home.path("link.png")).unwrap();
    let said = |path: &str| home.run(&["explain", path]).out;
    let linked = said("P/linked");
    assert!(
        linked.contains("It does not go up: it is a symbolic link"),
        "{linked}"
    );
    // `backfill link.png` takes what it leads to.
    let typed = said("link.png");
    assert!(
        typed.starts_with("~/link.png\nIt is a link to ~/elsewhere/a.png\n")
            && typed.contains("It goes up, as a photo"),
        "{typed}"
    );
}

#[test]
fn a_name_that_is_not_text_is_explained_and_cannot_write_to_the_terminal() {
    let home = Home::new();
    let name = OsStr::from_bytes(b"caf\xe9\x1b[2J.jpg");
    let ran = home.run(&[OsStr::new("explain"), name]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out.starts_with("~/caf\\xe9\\u{1b}[2J.jpg\n"),
        "{}",
        ran.out
    );
}

#[test]
fn a_dry_run_counts_what_would_go_up_and_what_not_and_changes_nothing() {
    let home = Home::new().configured("[[folder]]\npath = \"~/P\"\nalbum = \"folder\"\n");
    for n in 0..60 {
        home.write(&format!("P/Crete/{n}.png"), picture(n));
    }
    home.write("P/Rome/a.png", picture(61));
    home.write("P/Rome/empty.jpg", "");
    home.write("P/Rome/notes.txt", "words");
    home.write("P/.DS_Store", "junk");
    let ran = home.run(&["backfill", "--dry-run"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(
        ran.out,
        "61 files would go up, 3.72 kB.\n\
         It takes 6 requests, 2 of them to make albums; a photo that fails or is slow to send may take one more.\n\
         A day has 9,800 of them for this: 1 day, at the pace of writes at least 12 s.\n\
         \x20        60   3.66 kB  album \"Crete\"\n\
         \x20         1      61 B  album \"Rome\"\n\
         Left out:\n\
         \x20         1  it is empty\n\
         \x20         1  neither photo nor video\n\
         \x20         1  on the built-in junk list\n"
    );
    assert_eq!(home.state(), Vec::<String>::new());
    let one = home.run(&["backfill", "--dry-run", "P/Rome/a.png"]);
    assert!(
        one.out.starts_with("1 file would go up, 61 B.\n"),
        "{}",
        one.out
    );
}

#[test]
fn retry_without_a_queue_has_nothing_to_do() {
    let ran = Home::new().run(&["retry", "--all"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Nothing failed or is missing there.\n")
    );
}

#[test]
fn pages_are_printed_and_a_reader_that_has_seen_enough_is_no_error() {
    let home = Home::new();
    let page = home.run(&["completions", "bash"]);
    assert_eq!(page.code, 0);
    assert!(page.out.contains("_albumen"));
    let manual = home.run(&["man"]);
    assert!(manual.out.starts_with(".ie") && manual.out.contains(".SS \"albumen backfill\""));
    let mut child = home
        .albumen(&["man"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn messages_are_json_where_that_is_asked_for() {
    let ran = Home::new().run(&["--log-format", "json", "daemon"]);
    assert_eq!(ran.code, 2);
    let line: Value = serde_json::from_str(ran.err.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["exit_code"], 2);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn a_watch_of_the_status_ends_with_ctrl_c_and_without_complaint() {
    let home = Home::new();
    let mut child = home
        .albumen(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let status: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(status["process"]["running"], false);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
