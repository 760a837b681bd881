//! Waits that a clock which was set back has made too long.

use super::*;

/// No wait is longer here.
const LONGEST: Duration = Duration::from_hours(1);

/// An hour and a day ahead of the clock as it is after it was set back.
const FAR: i64 = 3_600 * 26;

async fn shortened(bench: &Bench, now: Timestamp) -> bool {
    let day = 24 * LONGEST;
    let found = bench.store.shorten_waits(LONGEST, LONGEST, day, now).await;
    found.unwrap()
}

#[tokio::test]
async fn every_kind_of_wait_ends_when_the_clock_was_set_back() {
    for (wait, is_over) in [
        (
            "UPDATE items SET description = 'words', describe_at = ?1",
            "SELECT describe_at = 0 FROM items WHERE id = ?1",
        ),
        (
            "UPDATE items SET verify_at = ?1",
            "SELECT verify_at < 1700000001000 FROM items WHERE id = ?1",
        ),
        (
            "UPDATE files SET action_state = 'ready', next_action_at = ?1",
            "SELECT next_action_at < 1700000001000 FROM files WHERE id = ?1",
        ),
        (
            "UPDATE files SET state = 'queued', not_before = ?1",
            "SELECT not_before = 0 FROM files WHERE id = ?1",
        ),
        (
            "INSERT INTO pending_removals (file_id, root_id, item_id, album_id, gone_at)
             SELECT id, root_id, item_id, album_id, ?1 FROM files",
            "SELECT gone_at < 1700000001000 FROM pending_removals WHERE file_id = ?1",
        ),
        (
            "UPDATE placements SET state = 'wanted', in_sequence = 0, not_before = ?1",
            "SELECT not_before = 0 FROM placements WHERE item_id = ?1",
        ),
        (
            "UPDATE albums SET not_before = ?1 WHERE id = 1",
            "SELECT not_before = 0 FROM albums WHERE id = ?1",
        ),
    ] {
        let bench = Bench::new();
        let root = bench.root("/p").await;
        bench.queue(root, Some("A"), [0]).await;
        bench.send_all(t(0)).await;
        bench.make_all(backfill(), t(0)).await;
        let _ = shortened(&bench, t(0)).await;
        let db = Connection::open(bench.dir.path().join(FILE_NAME)).unwrap();
        let changed = db.execute(wait, [t(FAR).as_millisecond()]).unwrap();
        assert_eq!(changed, 1, "{wait}");
        assert!(shortened(&bench, t(0)).await, "{wait}");
        assert!(bench.one::<bool>(is_over, 1), "{wait}");
        assert!(!shortened(&bench, t(0)).await, "{wait}: once");
    }
}
