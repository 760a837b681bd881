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
    let code: i64 = bench.one("SELECT exit_code FROM commands WHERE id = ?1", id.0);
    assert_eq!(code, 5);
    // A process that died leaves orders that nobody follows; old ones are forgotten.
    let lost = beside.leave_order(OrderKind::Verify, t(5)).await.unwrap();
    bench.store.begin_order(lost, t(6)).await.unwrap().unwrap();
    bench.store.forget_orders(t(8 * 24 * 3600)).await.unwrap();
    assert!(bench.store.begin_order(lost, t(7)).await.unwrap().is_none());
    let left: i64 = bench.one("SELECT count(*) FROM commands WHERE id <= ?1", lost.0);
    assert_eq!(left, 1);
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
