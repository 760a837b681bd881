//! What must be true when the trouble is over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    disk::Disk,
    support::home::{Home, LOOK},
    trouble::Trouble,
};

/// How long everything may take to come right.
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs the daemon until all is right, and then proves it.
pub(crate) async fn comes_right(home: &Home, disk: &Disk, trouble: &Trouble) {
    home.run(&["retry", "--all"]).await.expect(0);
    // Before anything moves again: what was read back leaves `out`.
    let wanted = Wanted::of(disk, trouble);
    let daemon = home.daemon().await;
    let since = tokio::time::Instant::now();
    loop {
        let library = home.library().await.0;
        let status = home.status().await;
        let left = wanted.left(&library, &status);
        if left.is_empty() {
            break;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{left:#?}\n{status:#}\n{}",
            daemon.stderr()
        );
        tokio::time::sleep(LOOK * 4).await;
    }
    daemon.stop().await.expect(0);
    // And nothing more is to be done: not a request.
    let before = home.library().await.requests();
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.requests(), before, "something was left to do");
    home.clean(&library).await;
    let mut titles = library.titles();
    titles.retain(|title| !trouble.deleted.iter().any(|deleted| deleted == title));
    let unique: BTreeSet<_> = titles.iter().collect();
    assert_eq!(
        unique.len(),
        titles.len(),
        "an album is there twice: {titles:?}"
    );
    database(home, &library.0);
}

/// What the service shall have.
struct Wanted {
    contents: BTreeMap<String, PathBuf>,
    albums: BTreeMap<String, BTreeSet<String>>,
    /// Albums in which nothing else may stand.
    exact: bool,
}

impl Wanted {
    fn of(disk: &Disk, trouble: &Trouble) -> Self {
        let hash = |file: &PathBuf| sha256(&std::fs::read(file).unwrap());
        let contents = disk.files().into_iter().map(|file| (hash(&file), file));
        let albums = disk.albums().into_iter();
        Self {
            contents: contents.collect(),
            albums: albums
                .filter(|(title, _)| !trouble.deleted.contains(title))
                .map(|(title, files)| (title, files.iter().map(hash).collect()))
                .collect(),
            exact: trouble.deleted.is_empty() && !disk.edited,
        }
    }

    /// What is not right yet, in words.
    fn left(&self, library: &Value, status: &Value) -> Vec<String> {
        let mut left = Vec::new();
        let mut hashes: HashMap<&str, &str> = HashMap::new();
        for item in library["items"].as_array().unwrap() {
            let hash = item["sha256"].as_str().unwrap();
            if hashes.insert(item["id"].as_str().unwrap(), hash).is_some() {
                left.push(format!("an id is there twice: {item}"));
            }
        }
        let there: BTreeSet<&str> = hashes.values().copied().collect();
        assert_eq!(there.len(), hashes.len(), "a content is there twice");
        for (hash, file) in &self.contents {
            if !there.contains(hash.as_str()) {
                left.push(format!("not there: {}", file.display()));
            }
        }
        for (title, wanted) in &self.albums {
            let albums = library["albums"].as_array().unwrap();
            let album = albums.iter().find(|album| album["title"] == title.as_str());
            let ids = album.and_then(|album| album["items"].as_array());
            let ids: Vec<&str> = ids
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let standing: BTreeSet<&str> = ids
                .iter()
                .filter_map(|id| hashes.get(id).copied())
                .collect();
            assert_eq!(standing.len(), ids.len(), "an item stands twice in {title}");
            for hash in wanted
                .iter()
                .filter(|hash| !standing.contains(hash.as_str()))
            {
                left.push(format!("not in {title}: {}", self.contents[hash].display()));
            }
            if self.exact && title != "Wall" && standing.len() > wanted.len() {
                left.push(format!(
                    "{} too many in {title}",
                    standing.len() - wanted.len()
                ));
            }
        }
        for state in ["settling", "queued", "uploading", "uploaded", "creating"] {
            if status["items"][state] != 0 {
                left.push(format!("{state}: {}", status["items"][state]));
            }
        }
        for state in ["wanted", "leaving"] {
            if status["placements"][state] != 0 {
                left.push(format!("{state}: {}", status["placements"][state]));
            }
        }
        left
    }
}

/// The database is whole, counts right, and believes about albums what is true.
fn database(home: &Home, library: &Value) {
    let path = home.path("state/albumen.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let whole: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let broken: Option<String> = db
        .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
        .ok();
    assert_eq!(broken, None);
    for (table, prefix) in [("files", "file"), ("items", "item")] {
        let sql = format!(
            "SELECT name, n, (SELECT count(*) FROM {table} WHERE '{prefix}.' || {table}.state = counters.name)
             FROM counters WHERE name LIKE '{prefix}.%'"
        );
        let mut statement = db.prepare(&sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (name, counted, there): (String, i64, i64) = (
                row.get(0).unwrap(),
                row.get(1).unwrap(),
                row.get(2).unwrap(),
            );
            assert_eq!(counted, there, "the counter {name}");
        }
    }
    let unanswered: i64 = db
        .query_row(
            "SELECT count(*) FROM calls WHERE answered_at IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(unanswered, 0);
    let open: i64 = db
        .query_row(
            "SELECT count(*) FROM source_acts WHERE done_at IS NULL AND error IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        open, 0,
        "a move that was intended and neither done nor given up"
    );
    in_sequence(&db, library);
    ledger(&db, library);
}

/// What counts as in sequence stands in order.
fn in_sequence(db: &Connection, library: &Value) {
    let mut keys: HashMap<(String, String), Vec<u8>> = HashMap::new();
    let mut statement = db
        .prepare(
            "SELECT albums.album_id, items.media_item_id, placements.order_key FROM placements
             JOIN items ON items.id = placements.item_id JOIN albums ON albums.id = placements.album_id
             WHERE placements.in_sequence = 1 AND albums.album_id IS NOT NULL",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let place = (row.get(0).unwrap(), row.get(1).unwrap());
        keys.insert(place, row.get(2).unwrap());
    }
    for album in library["albums"].as_array().unwrap() {
        let id = album["id"].as_str().unwrap().to_owned();
        let standing: Vec<&Vec<u8>> = album["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|item| keys.get(&(id.clone(), item.as_str().unwrap().to_owned())))
            .collect();
        assert!(
            standing.is_sorted(),
            "what counts as in sequence in {} is not in order",
            album["title"]
        );
    }
}

/// The ledger never counts less than was sent.
fn ledger(db: &Connection, library: &Value) {
    let (requests, uploads): (i64, i64) = db
        .query_row(
            "SELECT sum(requests), sum(uploads) FROM ledger",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let calls = library["calls"].as_object().unwrap();
    let sum = |is_counted: &dyn Fn(&str) -> bool| -> i64 {
        let counted = calls.iter().filter(|(method, _)| is_counted(method));
        counted.filter_map(|(_, n)| n.as_i64()).sum()
    };
    let sent = sum(&|method| !method.starts_with("uploads.") && !method.starts_with("oauth."));
    assert!(requests >= sent, "{requests} counted, {sent} sent");
    let sent = sum(&|method| method.starts_with("uploads."));
    assert!(uploads >= sent, "{uploads} uploads counted, {sent} sent");
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
