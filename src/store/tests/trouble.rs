//! Files and items that give trouble, and when they are given up.

use super::{uploads::sending, *};

#[tokio::test]
async fn trouble_blames_nobody_and_the_last_allowed_blame_fails_the_item() {
    let s = sending().await;
    for now in 2..20 {
        s.bench
            .store
            .upload_again(s.file, s.item, t(now), None, t(now))
            .await
            .unwrap();
        assert!(matches!(
            s.bench.hash_all(t(now)).await[..],
            [(_, Hashed::Upload(..))]
        ));
    }
    for attempt in 1..=3 {
        let blamed = Some(("the service refused its bytes".to_owned(), 3));
        s.bench
            .store
            .upload_again(s.file, s.item, t(20), blamed, t(20))
            .await
            .unwrap();
        s.bench.check();
        if attempt < 3 {
            assert_eq!(s.bench.state(s.item), "queued");
            assert!(matches!(
                s.bench.hash_all(t(20)).await[..],
                [(_, Hashed::Upload(..))]
            ));
        }
    }
    assert_eq!(s.bench.state(s.item), "failed");
    assert_eq!(s.bench.file_state(s.file), "attached");
    let failures = s.bench.reader().overview(t(20)).unwrap().failures;
    assert_eq!(
        failures[0].reason.as_deref(),
        Some("the service refused its bytes")
    );
    assert_eq!(failures[0].attempts, 3);
}

#[tokio::test]
async fn what_will_never_be_taken_fails_at_once() {
    let s = sending().await;
    s.bench
        .store
        .upload_given_up(s.item, "too large".to_owned(), t(2))
        .await
        .unwrap();
    assert_eq!(s.bench.state(s.item), "failed");
    s.bench.check();
}

#[tokio::test]
async fn an_unreadable_file_is_refused_in_the_end_and_a_retry_asks_for_it_again() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    for attempt in 0..2 {
        let claim = bench
            .store
            .claim(1, false, t(attempt))
            .await
            .unwrap()
            .remove(0);
        assert_eq!(i64::from(claim.attempts), attempt);
        let reason = "it cannot be read: permission denied".to_owned();
        bench
            .store
            .unreadable(claim.file, reason, t(attempt + 1), 2, t(attempt))
            .await
            .unwrap();
        bench.check();
    }
    let overview = bench.reader().overview(t(2)).unwrap();
    assert_eq!(
        (
            overview.count("file", "refused"),
            overview.failures[0].state
        ),
        (1, "skipped")
    );
    assert_eq!(
        bench
            .store
            .retry(vec![b"/elsewhere".to_vec()], t(3))
            .await
            .unwrap(),
        0
    );
    assert_eq!(bench.store.retry(Vec::new(), t(3)).await.unwrap(), 1);
    assert_eq!(bench.store.claim(9, false, t(3)).await.unwrap().len(), 1);
    bench.check();
}

#[tokio::test]
async fn a_file_that_holds_other_bytes_now_lets_go_of_what_waited_for_it() {
    let s = sending().await;
    s.bench
        .store
        .upload_again(s.file, s.item, t(2), None, t(2))
        .await
        .unwrap();
    let claim = s.bench.store.claim(1, false, t(2)).await.unwrap().remove(0);
    let other = s
        .bench
        .store
        .hashed(claim.file, content(8), t(2))
        .await
        .unwrap();
    assert!(matches!(other, Hashed::Upload(item, _) if item != s.item));
    assert_eq!(s.bench.state(s.item), "skipped");
    s.bench.check();
}

#[tokio::test]
async fn numbers_that_nobody_wrote_can_still_be_added_up() {
    let s = sending().await;
    let path = s.bench.dir.path().join(FILE_NAME);
    let db = Connection::open(path).unwrap();
    for n in [i64::MAX, i64::MIN] {
        db.execute("UPDATE counters SET n = ?1, bytes = ?1", [n])
            .unwrap();
        db.execute("UPDATE quota_usage SET requests = ?1, uploads = ?1", [n])
            .unwrap();
        db.execute(
            "INSERT OR REPLACE INTO transfers (file_id, path, sent, size) VALUES (1, x'61', ?1, ?1)",
            [n],
        )
        .unwrap();
        let overview = s.bench.reader().overview(t(2)).unwrap();
        let most = if n < 0 { 0 } else { 1 << 53 };
        assert_eq!(overview.count("file", "queued"), most);
        assert_eq!(overview.bytes("file", "queued"), most);
        assert_eq!(overview.transfers[0].sent, most);
    }
}
