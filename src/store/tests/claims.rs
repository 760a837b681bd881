//! Which files are claimed, and what their hashes lead to.

use super::*;

fn numbers(claims: &[Claimed]) -> Vec<u32> {
    claims.iter().map(number).collect()
}

#[tokio::test]
async fn albums_are_filled_one_after_the_other_in_order() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("B"), [5, 3, 4]).await;
    bench.queue(root, Some("A"), [2, 0, 1]).await;
    let claims = bench.store.claim(4, false, t(1)).await.unwrap();
    assert_eq!(numbers(&claims), [3, 4, 5, 0], "B was wanted first");
    assert_eq!(claims[0].path, PathBuf::from("/p/IMG_00003.jpg"));
    assert_eq!(claims[0].stat, stat(100));
    assert_eq!(
        numbers(&bench.store.claim(9, false, t(1)).await.unwrap()),
        [1, 2]
    );
    assert!(bench.store.claim(9, true, t(1)).await.unwrap().is_empty());
    bench.check();
}

#[tokio::test]
async fn an_album_of_two_roots_is_filled_in_one_order() {
    let bench = Bench::new();
    let spec = |path: &str| RootSpec {
        path: path.into(),
        configured: true,
        rule: String::new(),
        removes: false,
    };
    let rows = bench
        .store
        .roots(vec![spec("/a"), spec("/b")])
        .await
        .unwrap();
    for (n, row) in rows.iter().enumerate() {
        bench.store.root_opened(row.id, true, t(0)).await.unwrap();
        bench
            .queue(row.id, Some("A"), (0..6).filter(|i| *i as usize % 2 == n))
            .await;
    }
    assert_eq!(
        numbers(&bench.store.claim(4, false, t(1)).await.unwrap()),
        [0, 1, 2, 3]
    );
    bench.check();
}

#[tokio::test]
async fn an_album_with_tokens_comes_before_one_that_is_not_begun() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("first"), [0]).await;
    bench.queue(root, Some("second"), [1]).await;
    bench.send_all(t(1)).await;
    bench.queue(root, Some("new"), [2]).await;
    bench.queue(root, Some("second"), [3]).await;
    bench.queue(root, Some("first"), [4]).await;
    assert_eq!(
        numbers(&bench.store.claim(9, false, t(1)).await.unwrap()),
        [4, 3, 2]
    );
    bench.check();
}

#[tokio::test]
async fn fresh_files_come_first_unless_it_is_the_backfills_turn() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, 0..4).await;
    let Change::Found {
        root,
        dir,
        name,
        stat,
        ..
    } = found(root, None, 9)
    else {
        panic!()
    };
    let decision = FileDecision::Queue {
        album: None,
        key: key(9),
        large: false,
        fresh: true,
    };
    let change = Change::Found {
        root,
        dir,
        name,
        stat,
        decision,
    };
    bench.store.record(vec![change], t(0)).await.unwrap();
    assert_eq!(
        numbers(&bench.store.claim(2, false, t(1)).await.unwrap()),
        [0, 1]
    );
    assert_eq!(
        numbers(&bench.store.claim(2, true, t(1)).await.unwrap()),
        [9, 2]
    );
    bench.check();
}

#[tokio::test]
async fn nothing_is_claimed_from_a_root_that_is_closed_or_away() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, 0..2).await;
    bench.store.root_away(root).await.unwrap();
    assert!(bench.store.claim(9, true, t(1)).await.unwrap().is_empty());
    assert!(bench.store.is_drained().await.unwrap(), "nothing can move");
    bench.store.root_opened(root, false, t(1)).await.unwrap();
    assert!(!bench.store.is_drained().await.unwrap());
    assert_eq!(bench.store.claim(1, true, t(1)).await.unwrap().len(), 1);
    // Every start closes all roots.
    let spec = RootSpec {
        path: "/p".into(),
        configured: true,
        rule: "rule".to_owned(),
        removes: false,
    };
    bench.store.roots(vec![spec]).await.unwrap();
    assert!(bench.store.claim(9, false, t(1)).await.unwrap().is_empty());
    bench.check();
}

#[tokio::test]
async fn a_changed_rule_is_told_until_a_scan_has_applied_it() {
    let bench = Bench::new();
    let spec = |rule: &str| {
        vec![RootSpec {
            path: "/p".into(),
            configured: true,
            rule: rule.to_owned(),
            removes: false,
        }]
    };
    let row = bench.store.roots(spec("one")).await.unwrap().remove(0);
    assert!(!row.rule_changed && row.scanned_at.is_none());
    bench.store.root_opened(row.id, true, t(5)).await.unwrap();
    assert!(bench.store.roots(spec("two")).await.unwrap()[0].rule_changed);
    // The process died before its scan was complete.
    let row = bench.store.roots(spec("two")).await.unwrap().remove(0);
    assert!(row.rule_changed);
    assert_eq!(row.scanned_at, Some(t(5)));
    bench.store.root_opened(row.id, true, t(6)).await.unwrap();
    let applied = bench.store.rule_applied(row.id, "two".to_owned());
    applied.await.unwrap();
    assert!(!bench.store.roots(spec("two")).await.unwrap()[0].rule_changed);
}

#[tokio::test]
async fn a_file_that_is_held_back_is_claimed_when_its_time_comes() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    assert_eq!(bench.store.next_claim(t(1)).await.unwrap(), None);
    let claim = bench.store.claim(1, false, t(1)).await.unwrap().remove(0);
    bench.store.unclaim(claim.file, t(60), t(1)).await.unwrap();
    assert!(bench.store.claim(1, false, t(59)).await.unwrap().is_empty());
    assert_eq!(bench.store.next_claim(t(59)).await.unwrap(), Some(t(60)));
    assert_eq!(bench.store.claim(1, false, t(60)).await.unwrap().len(), 1);
    bench.check();
}

#[tokio::test]
async fn equal_contents_are_one_item_and_are_sent_once() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [0]).await;
    bench.queue(root, Some("B"), [1]).await;
    let claims = bench.store.claim(2, false, t(1)).await.unwrap();
    let Hashed::Upload(item, None) = bench
        .store
        .hashed(claims[0].file, content(7), t(1))
        .await
        .unwrap()
    else {
        panic!("the first is sent");
    };
    let Hashed::Duplicate(same, state) = bench
        .store
        .hashed(claims[1].file, content(7), t(1))
        .await
        .unwrap()
    else {
        panic!("the second is known");
    };
    assert_eq!((same, state), (item, crate::model::item::State::Uploading));
    assert_eq!(bench.count("placement", "wanted"), 2);
    bench.check();
}

#[tokio::test]
async fn what_lost_its_source_comes_back_with_a_file_that_has_its_bytes() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    let (claim, hashed) = bench.hash_all(t(1)).await.remove(0);
    let Hashed::Upload(item, _) = hashed else {
        panic!()
    };
    bench
        .store
        .vanished(claim.file, Some(item), t(2))
        .await
        .unwrap();
    assert_eq!(bench.state(item), "skipped");
    assert_eq!(bench.file_state(claim.file), "gone");
    bench.check();
    bench.queue(root, None, [1]).await;
    let again = bench.hash_next(content(0), t(3)).await;
    assert!(matches!(again, Hashed::Upload(same, _) if same == item));
    bench.token(item, t(3)).await;
    assert_eq!(bench.state(item), "uploaded");
    bench.check();
}

#[tokio::test]
async fn after_a_crash_everything_that_was_under_way_is_in_the_queue_again() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..3).await;
    let claims = bench.store.claim(2, false, t(1)).await.unwrap();
    let hashed = bench
        .store
        .hashed(claims[0].file, content(0), t(1))
        .await
        .unwrap();
    let Hashed::Upload(item, _) = hashed else {
        panic!()
    };
    bench.store.close().await;
    let bench = Bench {
        store: Store::open(bench.dir.path()).unwrap(),
        dir: bench.dir,
    };
    bench.root("/p").await;
    bench.store.recover(t(2)).await.unwrap();
    bench.check();
    assert_eq!(bench.state(item), "queued");
    assert_eq!(bench.count("file", "queued"), 3);
    let claims = bench.store.claim(9, false, t(2)).await.unwrap();
    assert_eq!(numbers(&claims), [0, 1, 2]);
    let again = bench
        .store
        .hashed(claims[0].file, content(0), t(2))
        .await
        .unwrap();
    assert!(matches!(again, Hashed::Upload(same, _) if same == item));
    bench.check();
}

#[tokio::test]
async fn who_was_tried_is_claimed_when_nobody_else_is_there_the_longest_ago_first() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, 0..4).await;
    let all = bench.store.claim(4, true, t(1)).await.unwrap();
    for claim in &all {
        bench.store.unclaim(claim.file, t(0), t(1)).await.unwrap();
    }
    // The last one waits for itself.
    let file = all[3].file;
    let claimed = bench.store.claim(4, true, t(1)).await.unwrap();
    for claim in &claimed {
        let then = if claim.file == file { t(9) } else { t(0) };
        bench.store.unclaim(claim.file, then, t(1)).await.unwrap();
    }
    let tried = vec![all[3].file, all[2].file, all[0].file];
    let untried = || bench.store.claim_untried(2, true, tried.clone(), t(2));
    assert_eq!(numbers(&untried().await.unwrap()), [1]);
    assert!(untried().await.unwrap().is_empty());
    for n in [2, 0] {
        let again = bench.store.claim_tried(tried.clone(), t(2)).await.unwrap();
        assert_eq!(number(&again.unwrap()), n);
    }
    let again = bench.store.claim_tried(tried.clone(), t(2)).await.unwrap();
    assert!(again.is_none());
    bench.check();
}
