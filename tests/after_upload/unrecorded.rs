//! Acts whose outcome the store would not take.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

use crate::{
    home,
    support::{
        disk::{ENOSPC, Shim},
        home::Home,
        media::video,
    },
};

/// How often it is tried to have the disk full between an act and its record.
const TRIES: u64 = 8;

/// Whether an act has no outcome.
fn is_open(home: &Home) -> bool {
    let db = Connection::open(home.path("state/albumen.db")).unwrap();
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM source_actions WHERE done_at IS NULL AND error IS NULL)",
        [],
        |row| row.get(0),
    )
    .unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_act_that_could_not_be_recorded_is_no_file_that_somebody_took_away() {
    let Ok(elsewhere) = tempfile::tempdir_in(Path::new("/dev/shm")) else {
        return;
    };
    let target = elsewhere.path().to_str().unwrap();
    let mut home = home(&format!("after_upload = 'move:{target}'")).await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    let daemon = home.daemon().await;
    let mut was_open = false;
    for n in 0..TRIES {
        let name = format!("v{n}.mp4");
        let file = home.taken(format!("photos/{name}"), n, &video(n, 20_000_000));
        // To copy it takes a while.
        until(|| std::fs::read_dir(elsewhere.path()).unwrap().count() as u64 > n).await;
        shim.rules(&[("write", ENOSPC, "albumen.db-wal")]);
        until(|| !file.exists()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        was_open = is_open(&home);
        shim.rules(&[]);
        home.until_status("recorded", |status| status["after_upload"]["done"] == n + 1)
            .await;
        assert_eq!(home.status().await["after_upload"]["staying"], 0);
        if was_open {
            break;
        }
    }
    assert!(was_open, "the record was never refused");
    daemon.stop().await.expect(0);
}
