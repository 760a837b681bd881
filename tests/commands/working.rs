//! Commands that do something, against the sandbox of the program itself.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::home::{Home, interrupt, picture, signal};

/// A sandbox as `albumen sandbox` serves it; it ends with this.
struct Sandbox {
    child: Child,
    config: String,
}

impl Sandbox {
    fn start(home: &Home) -> Self {
        let mut child = home
            .albumen(&["sandbox", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        assert!(next().starts_with("Gallery: http://127.0.0.1:"));
        assert_eq!(next(), "");
        let config = (0..5).map(|_| next() + "\n").collect();
        Self { child, config }
    }
}

impl Sandbox {
    /// Sends a script to it.
    fn script(&self, script: &str) {
        let endpoint = self
            .config
            .lines()
            .find(|line| line.starts_with("endpoint"));
        let address = endpoint.unwrap().split("http://").nth(1).unwrap();
        let address = address.trim_end_matches(|c: char| !c.is_ascii_digit());
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /sandbox/faults HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            script.len()
        );
        stream.write_all((head + script).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CLIENT_SECRET: &str = r#"{"installed":{"client_id":"c","client_secret":"SeCrEts","redirect_uris":["http://localhost"]}}"#;

/// A home with a sandbox, and a client secret for it.
fn beside_a_sandbox() -> (Home, Sandbox) {
    let home = Home::new();
    let sandbox = Sandbox::start(&home);
    let secret = home.write(".config/albumen/client_secret.json", CLIENT_SECRET);
    fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(home.path("P")).unwrap();
    let text = format!("{}[[folder]]\npath = \"~/P\"\n", sandbox.config);
    (home.configured(&text), sandbox)
}

fn sign_in(home: &Home) {
    let mut child = home
        .albumen(&["login", "--no-browser"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut address)
        .unwrap();
    // The browser: the sandbox consents at once and sends it to the program's own page.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let page = runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(address.trim())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    });
    assert!(page.contains("You are signed in"), "{page}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_doctor_has_a_remedy_for_each_fault_and_is_content_once_all_is_well() {
    let (home, _sandbox) = beside_a_sandbox();
    home.write("P/a.png", picture(1));
    let before = home.run(&["doctor"]);
    assert_eq!(before.code, 2);
    assert!(
        before.out.contains(
            "BAD   login          nobody has signed in yet\n      hint: run `albumen login`\n"
        ),
        "{}",
        before.out
    );
    assert!(
        before.out.ends_with("\n1 fault to put right.\n"),
        "{}",
        before.out
    );
    sign_in(&home);
    let after = home.run(&["doctor"]);
    assert_eq!(after.code, 0, "{}", after.out);
    for line in [
        "ok    configuration  ~/.config/albumen/config.toml, 1 folder\n",
        "ok    folder         ~/P: 1 file in 1 folder\n",
        "ok    clock          it agrees with that of the service\n",
        "\nAll is well.\n",
    ] {
        assert!(after.out.contains(line), "{line}\n{}", after.out);
    }
}

#[test]
fn who_signs_in_gets_a_private_token_file_and_who_signs_out_loses_it() {
    let (home, _sandbox) = beside_a_sandbox();
    let early = home.run(&["shared", "leave", "abc"]);
    assert_eq!(early.code, 3, "{}", early.err);
    assert!(
        early.err.ends_with("hint: run `albumen login`\n"),
        "{}",
        early.err
    );
    sign_in(&home);
    let token = home.path(".local/state/albumen/token.json");
    assert_eq!(
        fs::metadata(&token).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let out = home.run(&["logout"]);
    assert_eq!(
        (out.code, out.err.as_str()),
        (0, "The access was given back; the queue stays.\n")
    );
    assert!(!token.exists());
    let again = home.run(&["logout"]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (0, "Nobody is signed in.\n")
    );
}

#[test]
fn leaving_a_shared_album_is_refused_in_words_that_help() {
    let (home, _sandbox) = beside_a_sandbox();
    sign_in(&home);
    let ran = home.run(&["shared", "leave", "abc"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.err, @r"
    error: the album was not left: on 31 March 2025 Google retired what lets a program leave shared albums (the service does not allow it (HTTP 403): The caller does not have permission)
    hint: open the album in the Google Photos app and leave it there
    ");
    assert_eq!(ran.out, "");
}

#[test]
fn a_shared_album_is_left_where_the_service_still_lets_one() {
    let (home, sandbox) = beside_a_sandbox();
    sign_in(&home);
    sandbox.script(r#"{"settings": {"shared_leave_works": true}}"#);
    let ran = home.run(&["shared", "leave", "abc"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    insta::assert_snapshot!(ran.err, @r"
    the album was left
    ");
}

#[test]
fn a_folder_that_is_held_by_a_process_that_does_not_answer_is_given_up() {
    let home = Home::new().configured("[[folder]]\npath = \"~/P\"\n");
    let state = home.path(".local/state/albumen");
    let lock = albumen::lock::Lock::take(&state).unwrap();
    let ran = home.run(&["retry", "--all"]);
    drop(lock);
    assert_eq!(ran.code, 4);
    assert!(
        ran.err
            .starts_with("error: the albumen that holds the state folder does not answer"),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains(&format!("(process {})", std::process::id())),
        "{}",
        ran.err
    );
}

/// A daemon; it is killed with this, should it still run.
struct Daemon(Child);

impl Daemon {
    /// Starts it and waits until it answers.
    fn start(home: &Home) -> Self {
        let daemon = home
            .albumen(&["daemon"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self(daemon);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let status: Value =
                serde_json::from_str(&home.run(&["--status", "--json"]).out).unwrap();
            if status["process"]["running"] == true {
                assert_eq!(status["process"]["mode"], "daemon");
                assert_eq!(status["process"]["pid"], daemon.0.id());
                return daemon;
            }
            assert!(Instant::now() < deadline, "it does not run");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_backfill_beside_a_daemon_ends_and_says_the_same_as_one_alone() {
    let (home, sandbox) = beside_a_sandbox();
    let home = home.configured(&format!(
        "{}[batch]\nmax_wait = \"10ms\"\nmax_wait_backfill = \"10ms\"\n[quota]\nwrites_per_minute = 100000\n\
         [watch]\nsettle = \"0s\"\n[[folder]]\npath = \"~/P\"\n",
        sandbox.config
    ));
    sign_in(&home);
    home.write("alone/a.png", picture(1));
    let alone = home.run(&["backfill", "alone"]);
    assert_eq!(
        (alone.code, alone.out.split(" in ").next()),
        (0, Some("1 file went up")),
        "{}",
        alone.err
    );
    let again = home.run(&["backfill", "alone"]);
    assert_eq!(again.code, 0);
    assert!(
        again.out.starts_with("Nothing new went up in "),
        "{}",
        again.out
    );
    assert!(
        again.out.ends_with("\n  1 was there already\n"),
        "{}",
        again.out
    );

    let mut daemon = Daemon::start(&home);
    home.write("beside/b.png", picture(2));
    let beside = home.run(&["backfill", "beside"]);
    assert_eq!(
        (beside.code, beside.out.split(" in ").next()),
        (0, Some("1 file went up")),
        "{}",
        beside.err
    );
    assert_eq!(home.run(&["verify"]).code, 0);
    let second = home.run(&["daemon"]);
    assert_eq!(second.code, 4);
    let pid = daemon.0.id();
    assert!(
        second
            .err
            .starts_with(&format!("error: another albumen (process {pid}) works")),
        "{}",
        second.err
    );
    interrupt(&daemon.0);
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    let explained = home.run(&["explain", "beside/b.png"]);
    assert!(
        explained.out.contains("It is in Google Photos"),
        "{}",
        explained.out
    );
}

#[test]
fn try_uploads_into_a_sandbox_and_keeps_nothing() {
    let home = Home::new();
    for n in 0..54 {
        home.write(&format!("Crete/{n}.png"), picture(n));
    }
    // A photo without a place, about which the parser would complain.
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/shutter.jpg");
    fs::copy(real, home.path("Crete/shutter.jpg")).unwrap();
    home.write("Crete/notes.txt", "words");
    let (child, out) = shows_a_gallery(&home);
    assert!(out.starts_with("55 files went up in "), "{out}");
    let gallery = out.split("The gallery: ").nth(1).unwrap().trim();
    let state = get(&format!("{gallery}sandbox/state"));
    assert_eq!(state["items"].as_array().unwrap().len(), 55);
    assert_eq!(state["albums"][0]["title"], "Crete");
    assert_eq!(state["broken_rules"], serde_json::json!([]));
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!told.contains("WARN"), "{told}");
    assert_eq!(
        fs::read_dir(home.path("tmp")).unwrap().count(),
        0,
        "it cleans up"
    );
    assert!(!home.path(".local").exists() && !home.path(".config").exists());
}

/// `try`, up to the line with its gallery; its folder is made in `tmp`.
fn shows_a_gallery(home: &Home) -> (Child, String) {
    let tmp = home.path("tmp");
    fs::create_dir(&tmp).unwrap();
    let mut child = home
        .albumen(&["try", "Crete"])
        .env("TMPDIR", &tmp)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while !out.contains("The gallery: ") {
        assert_ne!(lines.read_line(&mut out).unwrap(), 0, "{out}");
    }
    (child, out)
}

#[test]
fn try_keeps_nothing_either_when_its_terminal_is_closed() {
    let home = Home::new();
    home.write("Crete/a.png", picture(1));
    let (child, _) = shows_a_gallery(&home);
    signal(&child, "-HUP");
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(fs::read_dir(home.path("tmp")).unwrap().count(), 0);
}

fn get(address: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(address)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    })
}
