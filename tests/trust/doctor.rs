//! What the doctor finds, each with its remedy.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::support::home::Home;

/// What the doctor says of a piece, with the home written as `~`.
async fn found(home: &Home, what: &str) -> String {
    let ran = home.run(&["doctor"]).await;
    let said = ran.stdout.replace(home.path("").to_str().unwrap(), "~/");
    let mut lines = said.lines().skip_while(|line| !line.contains(what));
    let first = lines.next().unwrap_or_default().to_owned();
    assert!(!first.is_empty(), "no {what} in {said}");
    match lines
        .next()
        .filter(|line| line.trim_start().starts_with("hint: "))
    {
        Some(hint) => format!("{first}\n{hint}"),
        None => first,
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
