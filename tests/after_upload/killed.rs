//! Kills between the intention, the act and its record.

use std::{fs, path::Path};

use rusqlite::Connection;

use crate::{
    DELETE, MOVE, below, contents, has_all, home,
    support::{home::Home, media::photo},
};

/// The journal of a home whose program does not run.
fn journal(home: &Home) -> Connection {
    Connection::open(home.path("state/albumen.db")).unwrap()
}

/// Writes into the journal that an act was intended, as if the program had died right after.
fn intended(home: &Home, name: &str, to: Option<&Path>) {
    use std::os::unix::ffi::OsStrExt as _;
    let from = home.path("photos").join(name);
    let changed = journal(home)
        .execute(
            "INSERT INTO source_actions (file_id, item_id, action, from_path, to_path, intended_at)
             SELECT id, item_id, ?1, ?2, ?3, 0 FROM files WHERE name = ?4",
            rusqlite::params![
                if to.is_some() { "move" } else { "delete" },
                from.as_os_str().as_bytes(),
                to.map(|to| to.as_os_str().as_bytes()),
                name.as_bytes()
            ],
        )
        .unwrap();
    assert_eq!(changed, 1, "{name}");
}

fn outcomes(home: &Home) -> Vec<(String, bool, Option<String>)> {
    let db = journal(home);
    let mut statement = db
        .prepare(
            "SELECT files.name, done_at IS NOT NULL, error FROM source_actions
             JOIN files ON files.id = file_id ORDER BY source_actions.id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let name: Vec<u8> = row.get(0)?;
        Ok((String::from_utf8(name).unwrap(), row.get(1)?, row.get(2)?))
    });
    rows.unwrap().map(|row| row.unwrap()).collect()
}

#[tokio::test]
async fn killed_between_the_intention_and_the_move() {
    let mut home = home(MOVE).await;
    home.set("verify.after", "'1h'");
    for (name, n) in [
        ("before.jpg", 1),
        ("moved.jpg", 2),
        ("copied.jpg", 3),
        ("taken.jpg", 4),
    ] {
        home.taken(Path::new("photos").join(name), n, &photo(n));
    }
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let to = |name: &str| home.path("done").join(name);
    for name in ["before.jpg", "moved.jpg", "copied.jpg", "taken.jpg"] {
        intended(&home, name, Some(&to(name)));
    }
    fs::rename(home.path("photos/moved.jpg"), to("moved.jpg")).unwrap();
    fs::copy(home.path("photos/copied.jpg"), to("copied.jpg")).unwrap();
    fs::write(to(".albumen-1.part"), b"half a cop").unwrap();
    // Somebody took this one away by hand.
    fs::remove_file(home.path("photos/taken.jpg")).unwrap();
    home.run(&["backfill", "--no-wait", "-v"]).await.expect(5);
    assert_eq!(below(&home, "photos"), ["before.jpg"]);
    assert_eq!(below(&home, "done"), ["copied.jpg", "moved.jpg"]);
    let ended: Vec<(String, bool)> = outcomes(&home)
        .into_iter()
        .map(|(name, done, error)| {
            assert_ne!(done, error.is_some(), "{name}: {error:?}");
            (name, done)
        })
        .collect();
    let expected = [
        ("before.jpg", false),
        ("moved.jpg", true),
        ("copied.jpg", true),
        ("taken.jpg", false),
    ];
    assert_eq!(ended, expected.map(|(name, done)| (name.to_owned(), done)));
    home.pass(3601).await;
    home.run(&["backfill"]).await.expect(0);
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(
        below(&home, "done"),
        ["before.jpg", "copied.jpg", "moved.jpg"]
    );
    assert_eq!(home.library().await.n_items(), 4);
}

#[tokio::test]
async fn killed_between_the_intention_and_the_deletion() {
    let mut home = home(DELETE).await;
    home.set("verify.after", "'1h'");
    home.photos("photos", 2);
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    intended(&home, "p0000.jpg", None);
    intended(&home, "p0001.jpg", None);
    fs::remove_file(home.path("photos/p0000.jpg")).unwrap();
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let done: Vec<bool> = outcomes(&home)
        .into_iter()
        .map(|(_, done, _)| done)
        .collect();
    assert_eq!(done, [true, false]);
    assert_eq!(below(&home, "photos"), ["p0001.jpg"]);
    home.pass(3601).await;
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
}

#[tokio::test]
async fn killed_again_and_again_every_file_is_at_one_place_at_the_end() {
    let home = home(MOVE).await;
    let files = home.photos("photos", 120);
    let bytes = contents(&files);
    for n in 0.. {
        let backfill = home.start(&["backfill"]);
        let at_least = 10 * (n + 1);
        let mut backfill = Some(backfill);
        while backfill.as_mut().unwrap().runs() {
            if below(&home, "done").len() >= at_least {
                backfill.take().unwrap().kill();
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let both = below(&home, "photos").len() + below(&home, "done").len();
        assert_eq!(both, files.len(), "after {n} kills");
        if let Some(ended) = backfill {
            ended.ended().await.expect(0);
            break;
        }
    }
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert!(outcomes(&home).iter().filter(|(_, done, _)| *done).count() == files.len());
    has_all(&home.library().await, &bytes);
    assert_eq!(home.status().await["after_upload"]["done"], 120);
}
