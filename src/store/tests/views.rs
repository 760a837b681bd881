//! What `status`, `explain`, `verify` and `retry` see.

use std::path::Path;

use super::*;

/// Album A: item 0 made, 1 failed, 2 queued; and one file that is no photo.
pub(super) async fn mixed() -> Bench {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..2).await;
    bench.send_all(t(1)).await;
    let batch = bench.batch(backfill(), t(1)).await;
    let call = bench.journal(&batch, t(1)).await;
    let refused = ItemOutcome {
        code: Some(3),
        message: Some("There was an error".to_owned()),
        reason: Some("the service refused it twice".to_owned()),
        ..outcome(batch.items[1].item, given_up())
    };
    let made = ItemOutcome {
        outcome: Outcome::Made {
            media_item_id: MediaItemId::new("m0"),
            product_url: Some("https://photos/m0".to_owned()),
            description: None,
        },
        ..outcome(batch.items[0].item, Outcome::Alone)
    };
    bench
        .store
        .items_answered(
            call.id.into(),
            batch.album,
            207,
            vec![made, refused],
            Some(600_000),
            t(2),
        )
        .await
        .unwrap();
    bench.queue(root, Some("A"), [2]).await;
    for (n, kind) in [(7, "other_kind"), (8, "empty")] {
        let Change::Found {
            root,
            dir,
            name,
            stat,
            ..
        } = found(root, None, n)
        else {
            panic!()
        };
        let decision = FileDecision::Refuse {
            kind,
            reason: format!("it is {kind}"),
        };
        let change = Change::Found {
            root,
            dir: dir.join("sub"),
            name,
            stat,
            decision,
        };
        bench.store.record(vec![change], t(3)).await.unwrap();
    }
    bench.check();
    bench
}

#[tokio::test]
async fn the_overview_counts_and_names_what_did_not_go_up() {
    let bench = mixed().await;
    bench.store.process_is("daemon", 42, t(0)).await.unwrap();
    let overview = bench.reader().overview(t(4)).unwrap();
    assert_eq!(overview.process, Some(("daemon".to_owned(), 42, t(0))));
    let counts = [
        (overview.count("file", "queued"), 1),
        (overview.count("file", "attached"), 2),
        (overview.count("file", "refused"), 2),
        (overview.count("item", "created"), 1),
        (overview.count("item", "failed"), 1),
        (overview.count("placement", "placed"), 1),
        (overview.count("placement", "wanted"), 1),
        (overview.bytes("file", "queued"), 100),
        (overview.ledger.requests, 2),
        (overview.count("no", "such"), 0),
    ];
    for (n, (found, expected)) in counts.into_iter().enumerate() {
        assert_eq!(found, expected, "count {n}");
    }
    let listed: Vec<_> = overview
        .failures
        .iter()
        .map(|f| {
            (
                f.path.as_str(),
                f.state,
                f.reason.as_deref().unwrap(),
                f.code,
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("/p/sub/IMG_00008.jpg", "skipped", "it is empty", None),
            (
                "/p/IMG_00001.jpg",
                "failed",
                "the service refused it twice",
                Some(3)
            ),
        ]
    );
    let album = &overview.albums[0];
    assert_eq!(
        (
            album.title.as_str(),
            album.items,
            album.wanted,
            album.out_of_sequence
        ),
        ("A", 1, 1, 0),
        "what failed does not come"
    );
}

#[tokio::test]
async fn the_states_of_account_and_lane_are_kept() {
    let bench = Bench::new();
    let account = Pause {
        state: AccountState::StorageFull,
        reason: Some("the storage is full".to_owned()),
        until: Some(t(3600)),
    };
    bench.store.account_is(account.clone(), t(1)).await.unwrap();
    let lane = Pause {
        state: WriterState::Pacing,
        reason: None,
        until: None,
    };
    bench.store.lane_is(lane.clone(), t(1)).await.unwrap();
    bench.store.lane_refusals(3).await.unwrap();
    bench.store.close().await;
    let store = Store::open(bench.dir.path()).unwrap();
    assert_eq!(store.account().await.unwrap(), account);
    assert_eq!(store.lane().await.unwrap(), (lane, 3));
    let file = crate::model::ids::FileId(9);
    let transfer = Transfer {
        path: "/p/\u{e4}.jpg".into(),
        sent: 5,
        size: 10,
    };
    store.process_is("daemon", 7, t(1)).await.unwrap();
    let moving = vec![(file, transfer.clone())];
    store.transfers_are(moving, Some(1e6)).await.unwrap();
    let overview = |store: &Store| store.reader().unwrap().overview(t(2)).unwrap();
    let read = overview(&store).transfers.remove(0);
    assert_eq!(
        (read.path, read.sent, read.size),
        (
            transfer.path.display().to_string(),
            transfer.sent,
            transfer.size
        )
    );
    store.transfers_are(Vec::new(), None).await.unwrap();
    let rate = overview(&store).rate;
    assert_eq!(rate, Some(1e6), "what it was when something last moved");
    store.process_is("daemon", 8, t(2)).await.unwrap();
    assert_eq!(overview(&store).rate, None, "that of another process");
}

#[tokio::test]
async fn a_file_is_explained_with_its_item_and_its_albums() {
    let bench = mixed().await;
    let explain = |path: &str| bench.reader().explain(Path::new(path)).unwrap();
    let made = explain("/p/IMG_00000.jpg").unwrap();
    assert_eq!(
        (made.file_state.as_str(), made.item_state.as_deref()),
        ("attached", Some("created"))
    );
    assert_eq!(made.product_url.as_deref(), Some("https://photos/m0"));
    let [album] = &made.albums[..] else {
        panic!("{made:?}")
    };
    assert_eq!(
        (album.title.as_str(), album.state.as_str()),
        ("A", "placed")
    );
    assert!(album.is_in_order && album.reason.is_none());
    let failed = explain("/p/IMG_00001.jpg").unwrap();
    assert_eq!(
        failed.item_reason.as_deref(),
        Some("the service refused it twice")
    );
    assert_eq!(
        (failed.message.as_deref(), failed.attempts),
        (Some("There was an error"), 1)
    );
    let queued = explain("/p/IMG_00002.jpg").unwrap();
    assert_eq!(
        (
            queued.file_state.as_str(),
            queued.item_state,
            queued.not_before
        ),
        ("queued", None, None)
    );
    let refused = explain("/p/sub/IMG_00008.jpg").unwrap();
    assert_eq!(refused.file_reason.as_deref(), Some("it is empty"));
    assert!(explain("/p/IMG_00099.jpg").is_none());
    assert!(explain("/q/IMG_00000.jpg").is_none());
    assert!(explain("/p").is_none());
}

#[tokio::test]
async fn a_root_of_earlier_days_does_not_hide_a_file() {
    let bench = mixed().await;
    let spec = |path: &str| RootSpec {
        path: path.into(),
        configured: false,
        rule: String::new(),
        removes: false,
    };
    bench.store.roots(vec![spec("/p/sub")]).await.unwrap();
    let explained = bench
        .reader()
        .explain(Path::new("/p/sub/IMG_00008.jpg"))
        .unwrap();
    assert_eq!(explained.unwrap().file_state, "refused");
}

#[tokio::test]
async fn a_retry_takes_what_is_named_and_all_below_it() {
    for (path, n) in [
        ("/p/IMG_00001.jpg", 1),
        ("/p", 1),
        ("/", 1),
        ("/p/IMG_00000.jpg", 0),
        ("/p/IMG_0000", 0),
        ("/p/sub", 0),
    ] {
        let bench = mixed().await;
        let paths = vec![path.as_bytes().to_vec()];
        assert_eq!(bench.store.retry(paths, t(9)).await.unwrap(), n, "{path}");
        assert_eq!(bench.count("item", "failed"), 1 - n);
        assert_eq!(bench.count("item", "queued"), n);
        bench.check();
    }
}

#[tokio::test]
async fn scans_find_what_they_left_and_settle_what_stands_still() {
    let bench = mixed().await;
    let reader = bench.reader();
    let root = RootId(1);
    let mut dirs = Vec::new();
    reader
        .each_dir(root, Path::new(""), |_, path| {
            dirs.push(path);
            Ok(())
        })
        .unwrap();
    assert_eq!(dirs, [PathBuf::new(), PathBuf::from("sub")]);
    let dir = reader.dir(root, Path::new("")).unwrap().unwrap();
    let known = reader.known_in(dir).unwrap();
    assert_eq!(
        known.iter().map(|file| file.state).collect::<Vec<_>>(),
        [FileState::Attached, FileState::Attached, FileState::Queued]
    );
    let file = known[2].id;
    bench
        .store
        .record(
            vec![Change::Missing {
                file,
                confirmed: false,
            }],
            t(5),
        )
        .await
        .unwrap();
    assert_eq!(bench.reader().known_in(dir).unwrap()[2].missed, 1);
    bench
        .store
        .record(vec![Change::Reappeared(file)], t(5))
        .await
        .unwrap();
    assert_eq!(bench.reader().known_in(dir).unwrap()[2].missed, 0);
    bench
        .store
        .record(
            vec![Change::Missing {
                file,
                confirmed: true,
            }],
            t(6),
        )
        .await
        .unwrap();
    assert_eq!(bench.file_state(file), "gone");
    let decision = FileDecision::Settle {
        due_at: t(20),
        settle_ms: 5000,
    };
    let back = Change::Found {
        root,
        dir: PathBuf::new(),
        name: name(2).into(),
        stat: stat(7),
        decision,
    };
    bench.store.record(vec![back], t(7)).await.unwrap();
    assert_eq!(bench.reader().next_settled(&[root]).unwrap(), Some(t(20)));
    assert!(
        bench
            .reader()
            .settled(&[root], t(19), 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        bench.reader().settled(&[root], t(20), 9).unwrap()[0]
            .file
            .id,
        file
    );
    assert!(reader.knows_files_of(root).unwrap());
    bench.check();
}
