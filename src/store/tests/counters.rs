//! What must be true after each test, whatever it did.

use rusqlite::Connection;

/// Every counter says what counting the rows says.
pub(super) fn assert_counters_true(db: &Connection) {
    let wrong = |sql: &str| {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| {
                Ok(format!(
                    "{:?}: kept {:?}, counted {:?}",
                    row.get_ref(0)?,
                    row.get_ref(1)?,
                    row.get_ref(2)?
                ))
            })
            .unwrap();
        rows.map(|row| row.unwrap()).collect::<Vec<String>>()
    };
    for (sql, what) in [
        (
            "WITH real(name, n, bytes) AS (
                 SELECT 'file.' || state, count(*), sum(size) FROM files GROUP BY state
                 UNION ALL SELECT 'item.' || state, count(*), sum(size) FROM items GROUP BY state
                 UNION ALL SELECT 'action.' || action_state, count(*), 0 FROM files WHERE action_state IS NOT NULL GROUP BY action_state
                 UNION ALL SELECT 'placement.' || state, count(*), 0 FROM placements WHERE album_id <> 0 GROUP BY state)
             SELECT counters.name, counters.n || ' of ' || counters.bytes,
                    coalesce(real.n, 0) || ' of ' || coalesce(real.bytes, 0)
             FROM counters LEFT JOIN real USING (name)
             WHERE counters.n <> coalesce(real.n, 0) OR counters.bytes <> coalesce(real.bytes, 0)",
            "counters",
        ),
        (
            "SELECT id, queued, (SELECT count(*) FROM files WHERE album_id = albums.id AND state = 'queued') AS n
             FROM albums WHERE queued <> n",
            "albums.queued",
        ),
        (
            "SELECT id, wanted || '/' || placed || '/' || in_sequence AS kept,
                    (SELECT coalesce(sum(state = 'wanted'), 0) || '/' || coalesce(sum(state = 'placed'), 0)
                            || '/' || coalesce(sum(in_sequence), 0)
                     FROM placements WHERE album_id = albums.id) AS n
             FROM albums WHERE id <> 0 AND kept <> n",
            "placements of albums",
        ),
        (
            "SELECT placements.id, placements.item_exists, items.state FROM placements JOIN items ON items.id = item_id
             WHERE placements.item_exists <> (items.state IN ('created', 'verified'))",
            "placements.item_exists",
        ),
        (
            "SELECT items.id, items.state, 'no call' FROM items WHERE items.state = 'creating' AND NOT EXISTS (
                 SELECT 1 FROM call_items JOIN calls ON calls.id = call_id
                 WHERE item_id = items.id AND answered_at IS NULL)",
            "items in no call",
        ),
        (
            "SELECT items.id, items.state, 'no file' FROM items WHERE items.state = 'queued' AND NOT EXISTS (
                 SELECT 1 FROM files WHERE item_id = items.id AND state IN ('queued', 'claimed'))",
            "items that nothing will send",
        ),
    ] {
        let wrong = wrong(sql);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }
}
