//! What is wrong with the files of the state folder and of the sign-in.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{as_anybody, found, found_through, mode};
use crate::support::home::Home;

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
    // The next run also closes what was made beside the database meanwhile.
    home.backfill().await;
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
