//! Opening: fresh folders, migrations, and databases that are none of ours.

use super::*;

#[tokio::test]
async fn a_fresh_database_is_migrated_and_keeps_its_history() {
    let bench = Bench::new();
    let versions: Vec<(i64, String)> = bench
        .reader()
        .connection
        .prepare("SELECT version, name FROM refinery_schema_history ORDER BY version")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(|row| row.unwrap())
        .collect();
    assert_eq!(versions.first(), Some(&(1, "initial".to_owned())));
    let numbers: Vec<i64> = versions.iter().map(|(version, _)| *version).collect();
    let without_gaps: Vec<i64> = (1..).take(versions.len()).collect();
    assert_eq!(numbers, without_gaps);
    let mode: String = bench
        .reader()
        .connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    bench.check();
}

#[tokio::test]
async fn a_database_of_the_first_version_keeps_all_that_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let db = connection::as_of(&dir.path().join(FILE_NAME), 1).unwrap();
    db.execute_batch(
        "INSERT INTO items (hash, size, mime, file_name, state, media_item_id, changed_at)
         VALUES (zeroblob(32), 7, 'image/jpeg', 'a.jpg', 'created', 'm1', 0);
         INSERT INTO roots (path, configured) VALUES (x'2f70', 1);
         INSERT INTO dirs (root_id, path) VALUES (1, x'');
         INSERT INTO files (root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, item_id, album_id,
                            order_key, changed_at)
         VALUES (1, 1, x'61', 7, 1, 1, 1, 1, 'held', 1, 0, x'00', 0);
         INSERT INTO calls (kind, album_id, path, sent_at, answered_at) VALUES ('create_items', 0, '/v1', 5, 6);
         INSERT INTO calls (kind, album_id, path, body, sent_at) VALUES ('add_items', 0, '/v1', '{}', 7);
         INSERT INTO call_items VALUES (1, 0, 1, NULL, NULL), (2, 0, 1, 3, 'no')",
    )
    .unwrap();
    drop(db);
    // Who only looks changes nothing, and says why it sees nothing.
    let early = Reader::open(dir.path()).unwrap_err();
    assert!(matches!(early, Error::FromThePast { found: 1, .. }));
    let store = Store::open(dir.path()).unwrap();
    let bench = Bench { dir, store };
    let left_open = bench.store.unanswered().await.unwrap().unwrap();
    assert_eq!((left_open.id.0, left_open.items), (2, vec![(ItemId(1), 0)]));
    let said: String = bench.one("SELECT message FROM call_items WHERE call_id = ?1", 2);
    assert_eq!(said, "no");
    let answered: i64 = bench.one("SELECT answered_at FROM calls WHERE id = ?1", 1);
    assert_eq!(answered, 6);
    let rows = bench
        .reader()
        .known_in(crate::model::ids::DirId(1))
        .unwrap();
    assert_eq!(rows[0].sidecars, None);
    // The references are those of before: a call that is not there carries nothing.
    let stray = bench
        .store
        .write(|db| Ok(db.execute("INSERT INTO call_items VALUES (9, 0, 1, NULL, NULL)", [])?));
    assert!(stray.await.is_err());
    bench.check();
}

#[tokio::test]
async fn a_database_is_opened_again_with_all_it_held() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, 0..3).await;
    bench.store.close().await;
    let again = Store::open(bench.dir.path()).unwrap();
    assert_eq!(
        again
            .reader()
            .unwrap()
            .overview(t(0))
            .unwrap()
            .count("file", "queued"),
        3
    );
}

#[tokio::test]
async fn a_database_from_the_future_is_refused_by_name_and_left_alone() {
    let bench = Bench::new();
    bench
        .store
        .write(|db| {
            db.execute(
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (7000, 'later', '2030-01-01T00:00:00Z', '1')",
                [],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    bench.store.close().await;
    for refused in [
        Store::open(bench.dir.path()).err(),
        Store::open_beside(bench.dir.path()).err(),
        Reader::open(bench.dir.path()).err(),
    ] {
        let error = refused.unwrap();
        let Error::FromTheFuture { found: 7000, known } = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error.to_string(),
            format!(
                "the database is of version 7000, and this Albumen knows versions up to {known}"
            )
        );
    }
}

#[test]
fn without_a_database_a_reader_finds_none_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Reader::open(dir.path()).unwrap().is_none());
    assert!(Store::open_beside(dir.path()).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_database_is_an_error_and_not_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(
        &path,
        "a letter to my grandmother, long enough to be taken for a page",
    )
    .unwrap();
    assert!(Store::open(dir.path()).is_err());
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("a letter")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.store.meta_is("a", "b".to_owned()).await.unwrap();
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn an_order_is_left_beside_the_holder_taken_and_followed_to_its_end() {
    let bench = Bench::new();
    let beside = Store::open_beside(bench.dir.path()).unwrap();
    let kind = OrderKind::Backfill {
        paths: vec![b"/p/\xff".to_vec()],
        no_wait: true,
    };
    let id = beside.leave_order(kind.clone(), t(1)).await.unwrap();
    let taken = bench.store.begin_order(id, t(2)).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.kind), (id, kind));
    assert!(bench.store.begin_order(id, t(3)).await.unwrap().is_none());
    bench
        .store
        .order_done(id, 5, "stopped".to_owned(), t(4))
        .await
        .unwrap();
    let code: i64 = bench.one("SELECT exit_code FROM orders WHERE id = ?1", id.0);
    assert_eq!(code, 5);
    // A process that died leaves orders that nobody follows; old ones are forgotten.
    let lost = beside.leave_order(OrderKind::Verify, t(5)).await.unwrap();
    bench.store.begin_order(lost, t(6)).await.unwrap().unwrap();
    bench.store.forget_orders(t(8 * 24 * 3600)).await.unwrap();
    assert!(bench.store.begin_order(lost, t(7)).await.unwrap().is_none());
    let left: i64 = bench.one("SELECT count(*) FROM orders WHERE id <= ?1", lost.0);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn an_older_database_is_backed_up_before_it_is_migrated_and_keeps_all_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut old = Connection::open(&path).unwrap();
    connection::migrate_to(&mut old, 1).unwrap();
    old.execute_batch(
        "INSERT INTO items (hash, size, mime, file_name, state, media_item_id, changed_at)
         VALUES (zeroblob(32), 1, 'image/jpeg', 'a.jpg', 'verified', 'm', 0)",
    )
    .unwrap();
    drop(old);
    let store = Store::open(dir.path()).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.overview(t(0)).unwrap().count("item", "verified"), 1);
    let backup = Connection::open(dir.path().join(BACKUPS[0])).unwrap();
    assert_eq!(connection::version(&backup).unwrap(), Some(1));
    // What nobody remembers to have read back is asked for again before a file hangs on it.
    let read_back: Option<String> = reader
        .connection
        .query_row("SELECT read_back FROM items", [], |row| row.get(0))
        .unwrap();
    assert_eq!(read_back, None);
}

#[test]
fn a_file_is_checked_by_the_same_rules_before_and_after_their_text_was_changed() {
    let ways: [(&str, bool); 8] = [
        ("'settling', NULL, NULL, NULL, 1", true),
        ("'queued', 0, X'01', NULL, NULL", true),
        ("'gone', NULL, NULL, 'done', NULL", true),
        ("'lost', NULL, NULL, NULL, NULL", false),
        ("'queued', 0, NULL, NULL, NULL", false),
        ("'claimed', NULL, X'01', NULL, NULL", false),
        ("'held', NULL, NULL, NULL, NULL", false),
        ("'gone', NULL, NULL, 'never', NULL", false),
    ];
    let mut text = Vec::new();
    for versions in [vec![6], vec![7], vec![6, 7]] {
        let mut db = Connection::open_in_memory().unwrap();
        for version in &versions {
            connection::migrate_to(&mut db, *version).unwrap();
        }
        let sql = "SELECT sql FROM sqlite_schema WHERE name = 'files'";
        text.push(
            db.query_row(sql, [], |row| row.get::<_, String>(0))
                .unwrap(),
        );
        db.execute_batch(
            "INSERT INTO roots (path, configured, rule) VALUES (X'00', 1, ''); INSERT INTO dirs (root_id, path) VALUES (1, X'00')",
        )
        .unwrap();
        for (n, (row, is_good)) in ways.iter().enumerate() {
            let sql = format!(
                "INSERT INTO files (root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, changed_at,
                                    state, album_id, order_key, afterwards, due_at)
                 VALUES (1, 1, X'{n:02}', 1, 1, 1, 1, 1, 1, {row})"
            );
            let took = db.execute(&sql, []);
            assert_eq!(took.is_ok(), *is_good, "{versions:?} {row}: {took:?}");
        }
        let sound: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
    }
    assert!(text[0].contains(" IN ('"));
    assert!(!text[1].contains(" IN ('"), "{}", text[1]);
    assert_eq!(text[1], text[2]);
}

#[tokio::test]
async fn a_stop_and_a_damaged_database_leave_the_backups_as_they_are() {
    let bench = Bench::new();
    let path = bench.dir.path().join(FILE_NAME);
    let stop = tokio_util::sync::CancellationToken::new();
    assert_eq!(
        bench.store.back_up(stop.clone()).await.unwrap(),
        BackedUp::Done
    );
    let good = std::fs::read(bench.dir.path().join(BACKUPS[0])).unwrap();
    stop.cancel();
    assert_eq!(bench.store.back_up(stop).await.unwrap(), BackedUp::Stopped);
    bench.store.close().await;
    // A page in the middle is lost.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8192..12288].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let reader = Connection::open(&path).unwrap();
    assert!(backup::write(&reader, &path, || false).is_err());
    let left = std::fs::read(bench.dir.path().join(BACKUPS[0])).unwrap();
    assert!(left == good, "the good backup was pushed out");
    assert!(!bench.dir.path().join(BACKUPS[1]).exists());
}
