//! What the doctor finds, each with its remedy.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    signed_in,
    support::{
        disk::{Disk, may_mount},
        front::Front,
        home::Home,
        media::photo,
    },
};

/// What the doctor says of a piece, with the home written as `~`.
async fn found(home: &Home, what: &str) -> String {
    found_through(home, &[], what).await
}

/// The same of a doctor that is started by another program.
async fn found_through(home: &Home, through: &[&str], what: &str) -> String {
    let ran = home.start_through(through, &["doctor"]).ended().await;
    let said = ran.stdout.replace(home.path("").to_str().unwrap(), "~/");
    // Whatever is not well has its remedy.
    let lines: Vec<&str> = said.lines().collect();
    for pair in lines.windows(2) {
        let is_well = !pair[0].starts_with("BAD ") && !pair[0].starts_with("note");
        assert!(
            is_well || pair[1].starts_with("      hint: "),
            "{pair:?} in {said}"
        );
    }
    let has_fault = lines.iter().any(|line| line.starts_with("BAD "));
    assert_eq!(ran.code, Some(if has_fault { 2 } else { 0 }), "{said}");
    let at = lines.iter().position(|line| line.contains(what));
    assert!(at.is_some(), "no {what} in {said}\n{}", ran.stderr);
    let at = at.unwrap();
    match lines.get(at + 1).filter(|line| line.contains("  hint: ")) {
        Some(hint) => format!("{}\n{hint}", lines[at]),
        None => lines[at].to_owned(),
    }
}

/// A user for whom modes count, also where the tests run as root.
fn as_anybody() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-all"]
    } else {
        &[]
    }
}

fn mode(home: &Home, file: &str, mode: u32) {
    fs::set_permissions(home.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn wide_modes_are_found_and_a_run_closes_its_folder() {
    let home = Home::with_folder("").await;
    mode(&home, "state/token.json", 0o640);
    assert_eq!(
        found(&home, "so it is not used").await,
        "BAD   state          ~/state/token.json can be read by others of this machine, so it is not used\n      \
         hint: if nobody could have copied it: chmod 600 ~/state/token.json; otherwise `albumen logout` and `albumen login`"
    );
    let ran = home.run(&["backfill"]).await.expect(0);
    assert_eq!(home.library().await.requests(), 0, "{ran:?}");
    mode(&home, "state/token.json", 0o600);
    mode(&home, "client_secret.json", 0o644);
    assert_eq!(
        found(&home, "client secret").await,
        "note  client secret  ~/client_secret.json can be read by others of this machine\n      \
         hint: chmod 600 ~/client_secret.json"
    );
    mode(&home, "state", 0o755);
    assert!(found(&home, "state  ").await.contains("chmod 700 ~/state"));
    home.backfill().await;
    let now = fs::metadata(home.path("state"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(now & 0o777, 0o700);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_found() {
    let home = Home::with_folder("").await;
    fs::remove_dir(home.path("photos")).unwrap();
    assert_eq!(
        found(&home, "folder  ").await,
        "BAD   folder         ~/photos is not there\n      \
         hint: mount the disk or correct the path; until then nothing in it is taken for deleted"
    );
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_five_minutes_is_found() {
    let home = Home::with_folder("").await;
    home.clock(400);
    let said = found(&home, "clock  ").await;
    assert!(
        said.starts_with("BAD   clock          it is 6 min 3")
            || said.starts_with("BAD   clock          it is 6 min 40 s ahead of"),
        "{said}"
    );
    home.clock(250);
    assert!(found(&home, "clock  ").await.starts_with("ok "));
    home.clock(-400);
    let said = found(&home, "clock  ").await;
    assert!(
        said.starts_with("BAD   clock          it is 6 min 3")
            && said.ends_with(
                " s behind that of the service\n      hint: let the system set it: `timedatectl set-ntp true`"
            ) || said.contains("it is 6 min 40 s behind"),
        "{said}"
    );
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_found() {
    let mut home = Home::with_folder("").await;
    home.set("api.endpoint", "'http://127.0.0.1:9'");
    let said = found(&home, "network  ").await;
    assert!(
        said.starts_with("BAD   network        http://127.0.0.1:9/ does not answer: ")
            && said.ends_with(
                "\n      hint: see whether this machine is online, and whether a proxy or firewall stands between"
            ),
        "{said}"
    );
}

#[tokio::test]
async fn nobody_signed_in_is_found() {
    let home = Home::with_folder("").await;
    fs::remove_file(home.path("state/token.json")).unwrap();
    assert_eq!(
        found(&home, "login  ").await,
        "BAD   login          nobody has signed in yet\n      hint: run `albumen login`"
    );
}

#[tokio::test]
async fn files_and_folders_that_cannot_be_read_are_found() {
    let home = Home::with_folder("").await;
    home.photos("photos", 3);
    home.taken("photos/closed/a.jpg", 7, &photo(7));
    assert_eq!(
        found_through(&home, as_anybody(), "~/photos: ").await,
        "ok    folder         ~/photos: 4 files in 2 folders"
    );
    mode(&home, "photos/p0001.jpg", 0o000);
    assert_eq!(
        found_through(&home, as_anybody(), "~/photos: ").await,
        "BAD   folder         ~/photos: 4 files in 2 folders; 1 cannot be read, such as ~/photos/p0001.jpg\n      \
         hint: let the user who runs albumen read them, or name them in `exclude`"
    );
    mode(&home, "photos/p0001.jpg", 0o600);
    mode(&home, "photos/closed", 0o000);
    assert_eq!(
        found_through(&home, as_anybody(), "~/photos: ").await,
        "BAD   folder         ~/photos: 3 files in 2 folders; 1 cannot be read, such as ~/photos/closed\n      \
         hint: let the user who runs albumen read them, or name them in `exclude`"
    );
    mode(&home, "photos", 0o000);
    assert_eq!(
        found_through(&home, as_anybody(), "folder  ").await,
        "BAD   folder         ~/photos cannot be read: Permission denied (os error 13)\n      \
         hint: let the user who runs albumen read it"
    );
    mode(&home, "photos", 0o700);
    mode(&home, "photos/closed", 0o700);
}

#[tokio::test]
async fn more_folders_than_can_be_watched_are_found() {
    if !may_mount("doctor::more_folders_than_can_be_watched_are_found") {
        return;
    }
    let home = Home::with_folder("").await;
    for n in 0..9 {
        home.taken(format!("photos/f{n}/a.jpg"), n, &photo(n));
    }
    let limited = |limit: u32| {
        let file = home.write("limit", limit.to_string().as_bytes());
        let file = file.to_str().unwrap();
        format!("mount --bind '{file}' /proc/sys/fs/inotify/max_user_watches && exec \"$@\"")
    };
    let few = limited(8);
    assert_eq!(
        found_through(
            &home,
            &["unshare", "-m", "sh", "-c", &few, "sh"],
            "watching"
        )
        .await,
        "note  watching       10 folders to watch, and the system allows 8\n      \
         hint: sudo sysctl fs.inotify.max_user_watches=32, and the same line in /etc/sysctl.d/90-albumen.conf; \
         what is not watched is looked through hourly"
    );
    let enough = limited(1000);
    assert_eq!(
        found_through(
            &home,
            &["unshare", "-m", "sh", "-c", &enough, "sh"],
            "watching"
        )
        .await,
        "ok    watching       10 folders to watch, and the system allows 1,000"
    );
}

#[tokio::test]
async fn a_system_that_trusts_nobody_is_found_and_nothing_else_is_blamed_for_it() {
    let mut home = Home::with_folder("").await;
    home.set("api.endpoint", "'https://127.0.0.1:9'");
    let empty = home.path("photos").into_os_string();
    home.environment
        .push(("SSL_CERT_FILE".into(), home.path("none").into()));
    home.environment.push(("SSL_CERT_DIR".into(), empty));
    assert_eq!(
        found(&home, "certificates").await,
        "BAD   certificates   no connection can be trusted: No CA certificates were loaded from the system\n      \
         hint: install the system's CA certificates (package `ca-certificates`)"
    );
    let ran = home.run(&["doctor"]).await.expect(2);
    assert!(
        ran.stdout.ends_with("\n1 fault to put right.\n"),
        "{}",
        ran.stdout
    );
    let ran = home.run(&["backfill", "--no-wait"]).await;
    assert!(ran.stderr.contains("ca-certificates"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_service_with_a_certificate_of_nobody_is_found() {
    let mut home = Home::with_folder("").await;
    let front = Front::start(home.sandbox.address()).await;
    home.set("api.endpoint", "'https://photoslibrary.googleapis.com'");
    home.set("retry.server_error_base", "'1s'");
    home.set("retry.rate_limit_base", "'30s'");
    let proxy = format!("http://{}", front.address);
    home.environment.push(("HTTPS_PROXY".into(), proxy.into()));
    let said = found(&home, "network").await;
    assert!(
        said.starts_with("BAD   network        https://photoslibrary.googleapis.com/ cannot be trusted: invalid peer certificate")
            && said.contains("\n      hint: update the system's CA certificates"),
        "{said}"
    );
    let ca = home.write("ca.pem", front.ca_pem.as_bytes());
    home.environment.push(("SSL_CERT_FILE".into(), ca.into()));
    assert_eq!(
        found(&home, "network").await,
        "ok    network        https://photoslibrary.googleapis.com/ answers"
    );
    assert_eq!(front.strangers(), Vec::<String>::new());
}

#[tokio::test]
async fn an_almost_full_disk_is_found() {
    if !may_mount("doctor::an_almost_full_disk_is_found") {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, 6);
    disk.fill(100);
    let said = found(&home, "disk   ").await;
    assert!(
        said.starts_with("BAD   disk           1")
            && said.ends_with(
                " kB free beside the state folder\n      \
                 hint: make room: a full disk stops the queue, though nothing is lost by it"
            ),
        "{said}"
    );
}

#[tokio::test]
async fn a_sign_in_that_has_died_is_found_until_there_is_another() {
    let home = Home::with_folder("").await;
    home.photos("photos", 1);
    signed_in(&home, "c", 7);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    home.run(&["backfill"]).await.expect(3);
    assert_eq!(
        found(&home, "account").await,
        "BAD   account        a new sign-in is needed: the sign-in of 7 days ago has expired\n      \
         hint: a consent screen in Testing loses its sign-ins after 7 days: publish it in the Cloud console, then `albumen login`"
    );
    home.no_faults().await;
    let login = home.start(&["login", "--no-browser"]);
    let address = super::consent_address(&login).await;
    home.http.get(address).send().await.unwrap();
    login.ended().await.expect(0);
    // Before anything has run.
    home.run(&["doctor"]).await.expect(0);
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "ready", "{status:#}");
    home.backfill().await;
}

#[tokio::test]
async fn what_the_service_said_of_the_account_is_found() {
    let cases = [
        (
            "api_disabled_403",
            2,
            "the Photos Library API is not enabled",
        ),
        ("photos_disabled_403", 2, "Google Photos is switched off"),
        ("scope_403", 3, "a permission was not granted"),
        ("storage_full", 5, "the storage of the account is full"),
    ];
    for (refusal, code, words) in cases {
        let mut home = Home::with_folder("").await;
        home.set("retry.rate_limit_base", "'30s'");
        home.photos("photos", 1);
        home.fault("mediaItems.batchCreate", None, refusal.into())
            .await;
        home.run(&["backfill", "--no-wait"]).await.expect(code);
        let said = found(&home, "account").await;
        assert!(
            said.starts_with(&format!("BAD   account        {words}")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_sign_in_that_lacks_a_permission_is_found() {
    let home = Home::with_folder("").await;
    let file = home.path("state/token.json");
    let tokens = fs::read_to_string(&file).unwrap();
    let less = tokens.replace("photoslibrary.edit.appcreateddata", "openid");
    super::write_private(&file, &less);
    assert_eq!(
        found(&home, "login  ").await,
        "BAD   login          a permission was not granted at the sign-in\n      \
         hint: run `albumen login` and leave every box ticked"
    );
}

#[tokio::test]
async fn the_second_of_two_daemons_names_the_first() {
    let home = Home::with_folder("").await;
    let daemon = home.daemon().await;
    let second = home.run(&["daemon"]).await.expect(4);
    let words = format!("another albumen (process {}) works in", daemon.pid());
    assert!(second.stderr.contains(&words), "{}", second.stderr);
    assert!(second.stderr.contains("hint: "), "{}", second.stderr);
    // It changed nothing: the first one works on.
    let files = home.photos("photos", 1);
    super::all_there_by_daemon(&home, &files).await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn files_that_may_not_be_used_have_their_own_remedy() {
    let home = Home::with_folder("").await;
    home.backfill().await;
    for (file, its_mode, what) in [
        ("state/albumen.db", 0o000, "~/state/albumen.db may not be"),
        ("state/albumen.db", 0o444, "~/state/albumen.db may not be"),
        (
            "state/albumen.lock",
            0o400,
            "~/state/albumen.lock may not be",
        ),
        (
            "client_secret.json",
            0o000,
            "~/client_secret.json may not be",
        ),
    ] {
        mode(&home, file, its_mode);
        let said = found_through(&home, as_anybody(), what).await;
        assert!(said.starts_with("BAD "), "{said}");
        assert!(said.contains(&format!("chmod 600 ~/{file}")), "{said}");
        mode(&home, file, 0o600);
    }
    for its_mode in [0o400, 0o500] {
        mode(&home, "state", its_mode);
        let said = found_through(&home, as_anybody(), "~/state").await;
        assert!(
            said.starts_with("BAD ") && said.contains("hint: chmod 700 ~/state"),
            "{said}"
        );
        mode(&home, "state", 0o700);
    }
    mode(&home, "state/albumen.db", 0o444);
    let ran = home
        .start_through(as_anybody(), &["backfill"])
        .ended()
        .await;
    let ran = ran.expect(2);
    mode(&home, "state/albumen.db", 0o600);
    assert!(
        ran.stderr.contains("albumen.db may not be written")
            && ran.stderr.contains("hint: chmod 600"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn every_wide_file_of_the_state_folder_is_found_and_closed_by_a_run() {
    let home = Home::with_folder("").await;
    home.backfill().await;
    for file in ["albumen.db", "albumen.lock"] {
        mode(&home, &format!("state/{file}"), 0o644);
    }
    assert_eq!(
        found(&home, "gets into the folder").await,
        "note  state          ~/state/albumen.db and 1 other file of it can be read by whoever gets into the folder\n      \
         hint: chmod 600 ~/state/albumen.db ~/state/albumen.lock"
    );
    home.backfill().await;
    for entry in fs::read_dir(home.path("state")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}
