//! What must be true of the database: it is whole, counts right, and believes what is true.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::Value;

use crate::support::home::Home;

/// Statements that find what must not be, each with what that is.
const NEVER: &[(&str, &str)] = &[
    (
        "SELECT name FROM counters WHERE name LIKE 'file.%'
         AND n <> (SELECT count(*) FROM files WHERE 'file.' || state = counters.name)",
        "a counter of files",
    ),
    (
        "SELECT name FROM counters WHERE name LIKE 'item.%'
         AND n <> (SELECT count(*) FROM items WHERE 'item.' || state = counters.name)",
        "a counter of items",
    ),
    (
        "SELECT name FROM counters WHERE name LIKE 'placement.%'
         AND n <> (SELECT count(*) FROM placements WHERE album_id <> 0 AND 'placement.' || state = counters.name)",
        "a counter of placements",
    ),
    (
        "SELECT name FROM counters WHERE name LIKE 'action.%'
         AND n <> (SELECT count(*) FROM files WHERE 'action.' || action_state = counters.name)",
        "a counter of what becomes of files",
    ),
    (
        "SELECT name FROM counters WHERE name LIKE 'removal.%'
         AND n <> (SELECT count(*) FROM pending_removals WHERE counters.name = iif(needs_confirmation, 'removal.unconfirmed', 'removal.waiting'))",
        "a counter of departures",
    ),
    (
        "SELECT title FROM albums
         WHERE queued <> (SELECT count(*) FROM files WHERE album_id = albums.id AND state = 'queued')",
        "the queue of an album",
    ),
    (
        "SELECT title FROM albums WHERE id <> 0 AND (wanted, placed, in_sequence) IS NOT
         (SELECT count(*) FILTER (WHERE state = 'wanted'), count(*) FILTER (WHERE state = 'placed'),
                 count(*) FILTER (WHERE in_sequence = 1)
          FROM placements WHERE album_id = albums.id)",
        "the counts of an album",
    ),
    (
        "SELECT placements.id FROM placements JOIN items ON items.id = placements.item_id
         WHERE placements.item_exists <> (items.state IN ('created', 'verified'))",
        "a placement that is wrong about its item",
    ),
    (
        "SELECT id FROM calls WHERE answered_at IS NULL",
        "a call without an answer",
    ),
    (
        "SELECT id FROM source_actions WHERE done_at IS NULL AND error IS NULL",
        "a move that was intended and neither done nor given up",
    ),
    (
        "SELECT id FROM commands WHERE done_at IS NULL",
        "an order that nobody ended",
    ),
    (
        "SELECT item_id FROM upload_sessions JOIN items ON items.id = upload_sessions.item_id
         WHERE items.state NOT IN ('queued', 'uploading', 'skipped')",
        "a session of bytes that are up",
    ),
    (
        "SELECT id FROM files WHERE state IN ('settling', 'queued', 'claimed')",
        "a file that is still to go up",
    ),
    (
        "SELECT media_item_id FROM items WHERE media_item_id IS NOT NULL
         GROUP BY media_item_id HAVING count(*) > 1",
        "two items that are one media item",
    ),
];

/// Fails unless the database is whole, keeps its own invariants and agrees with the library.
pub(crate) fn is_sound(home: &Home, library: &Value) {
    let db = open(&home.path("state/albumen.db"));
    is_whole(&db);
    for (sql, what) in NEVER {
        let found: Option<rusqlite::types::Value> = db
            .query_row(sql, [], |row| row.get(0))
            .optional()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found, None, "{what}");
    }
    let places = Places::of(&db);
    places.stand(library);
    places.in_order(library);
    ledger(&db, library);
}

/// Backups that are there can be used: whoever dies over one leaves those before it.
pub(crate) fn backups_are_sound(home: &Home) -> usize {
    let names = (1..=3).map(|n| home.path(format!("state/albumen.db.backup-{n}")));
    let there: Vec<_> = names.filter(|path| path.exists()).collect();
    for path in &there {
        is_whole(&open(path));
    }
    there.len()
}

/// What may stand in an album although no file is there any more, by title and hash: its file went
/// while nobody knew what had become of its call, and the tokens of that call died before it could be
/// repeated. Albumen knows that it does not know.
pub(crate) fn in_limbo(home: &Home) -> HashSet<(String, Vec<u8>)> {
    let db = open(&home.path("state/albumen.db"));
    let mut statement = db
        .prepare(
            "SELECT albums.title, items.hash FROM placements
             JOIN items ON items.id = placements.item_id JOIN albums ON albums.id = placements.album_id
             WHERE placements.state = 'gone' AND placements.position_unknown = 1",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// How many placements there are, and how many of them in sequence.
pub(crate) fn placed(home: &Home) -> (usize, usize) {
    let places = Places::of(&open(&home.path("state/albumen.db")));
    let in_sequence = places.0.iter().filter(|place| place.key.is_some());
    (places.0.len(), in_sequence.count())
}

fn open(path: &std::path::Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn is_whole(db: &Connection) {
    let whole: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
    let broken: Option<String> = db
        .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
        .optional()
        .unwrap();
    assert_eq!(broken, None);
}

/// A media item that is believed to stand in an album.
struct Place {
    album_id: String,
    media_item_id: String,
    /// Its place in the order, if it counts as in sequence. An album whose order a lost answer left in
    /// doubt is read before more is placed in it, so until then nothing is believed of it.
    key: Option<Vec<u8>>,
}

struct Places(Vec<Place>);

impl Places {
    fn of(db: &Connection) -> Self {
        let mut statement = db
            .prepare(
                "SELECT albums.album_id, items.media_item_id,
                        iif(placements.in_sequence AND NOT albums.order_unknown, placements.order_key, NULL)
                 FROM placements JOIN items ON items.id = placements.item_id
                 JOIN albums ON albums.id = placements.album_id
                 WHERE placements.state = 'placed' AND albums.album_id IS NOT NULL",
            )
            .unwrap();
        let places = statement.query_map([], |row| {
            Ok(Place {
                album_id: row.get(0)?,
                media_item_id: row.get(1)?,
                key: row.get(2)?,
            })
        });
        Self(places.unwrap().map(Result::unwrap).collect())
    }

    /// What is believed to stand in an album stands there, unless somebody deleted the album.
    fn stand(&self, library: &Value) {
        let albums: HashMap<&str, HashSet<&str>> = library["albums"]
            .as_array()
            .unwrap()
            .iter()
            .map(|album| {
                let ids = album["items"].as_array().unwrap().iter();
                let ids = ids.filter_map(Value::as_str).collect();
                (album["id"].as_str().unwrap(), ids)
            })
            .collect();
        for place in &self.0 {
            if let Some(ids) = albums.get(place.album_id.as_str()) {
                let stands = ids.contains(place.media_item_id.as_str());
                assert!(stands, "{} is not in its album", place.media_item_id);
            }
        }
    }

    /// What counts as in sequence stands in order.
    fn in_order(&self, library: &Value) {
        let keys: HashMap<(&str, &str), &Vec<u8>> = self
            .0
            .iter()
            .filter_map(|place| {
                let key = place.key.as_ref()?;
                Some(((place.album_id.as_str(), place.media_item_id.as_str()), key))
            })
            .collect();
        for album in library["albums"].as_array().unwrap() {
            let id = album["id"].as_str().unwrap();
            let items = album["items"].as_array().unwrap().iter();
            let standing: Vec<&&Vec<u8>> = items
                .filter_map(|item| keys.get(&(id, item.as_str().unwrap())))
                .collect();
            assert!(
                standing.is_sorted(),
                "what counts as in sequence in {} is not in order: {:#?}",
                album["title"],
                standing
                    .iter()
                    .map(|key| String::from_utf8_lossy(key).into_owned())
                    .collect::<Vec<_>>()
            );
        }
    }
}

/// The ledger never counts less than was sent.
fn ledger(db: &Connection, library: &Value) {
    let (requests, uploads): (i64, i64) = db
        .query_row(
            "SELECT sum(requests), sum(uploads) FROM quota_usage",
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
