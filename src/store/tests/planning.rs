//! When a batch leaves, and what holds it.

use super::*;
use crate::model::batch_plan::Position;

/// A store that has these files of album A in its queue.
pub(super) async fn bench(ns: impl IntoIterator<Item = u32>) -> (Bench, RootId) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), ns).await;
    (bench, root)
}

/// Until when it waits, and for which budget.
pub(super) fn waits(planned: &Planned) -> (Option<Timestamp>, Option<Budget>) {
    match planned {
        Planned::Wait {
            until, bound_by, ..
        } => (*until, *bound_by),
        other => panic!("it does not wait: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_still_to_come_is_waited_for_and_then_passed_over() {
    let (bench, _) = bench(0..3).await;
    let hashed = bench.hash_all(t(1)).await;
    for (claim, hashed) in &hashed {
        if let (Hashed::Upload(item, _), true) = (hashed, number(claim) != 1) {
            bench.token(*item, t(1)).await;
        }
    }
    assert_eq!(
        waits(&bench.plan(backfill(), t(2)).await),
        (Some(t(601)), None)
    );
    assert_eq!(waits(&bench.plan(daemon(), t(2)).await).0, Some(t(31)));
    let batch = bench.batch(daemon(), t(31)).await;
    assert_eq!(batch.items.len(), 2);
    bench.check();
}

#[tokio::test]
async fn large_and_held_back_files_are_not_waited_for() {
    let (bench, root) = bench([0, 3]).await;
    let mut changes = Vec::new();
    for (n, is_large) in [(1, true), (2, false)] {
        let Change::Found {
            root, dir, name, ..
        } = found(root, Some("A"), n)
        else {
            panic!()
        };
        let decision = FileDecision::Queue {
            album: Some("A".to_owned()),
            key: key(n),
            large: is_large,
            fresh: false,
        };
        changes.push(Change::Found {
            root,
            dir,
            name,
            stat: stat(100),
            decision,
        });
    }
    bench.store.record(changes, t(0)).await.unwrap();
    let claims = bench.store.claim(9, false, t(1)).await.unwrap();
    for claim in claims {
        let n = number(&claim);
        if n == 0 || n == 3 {
            let Hashed::Upload(item, _) = bench
                .store
                .hashed(claim.file, content(n), t(1))
                .await
                .unwrap()
            else {
                panic!()
            };
            bench.token(item, t(1)).await;
        } else {
            let then = if n == 2 { t(99) } else { t(1) };
            bench.store.unclaim(claim.file, then, t(1)).await.unwrap();
        }
    }
    let batch = bench.batch(backfill(), t(1)).await;
    assert_eq!(batch.items.len(), 2);
    bench.check();
}

#[tokio::test]
async fn a_file_in_a_root_that_went_away_is_not_waited_for() {
    let (bench, root) = bench([0, 1]).await;
    let spec = RootSpec {
        path: "/q".into(),
        configured: true,
        rule: String::new(),
        removes: false,
    };
    let p = RootSpec {
        path: "/p".into(),
        configured: true,
        rule: "rule".to_owned(),
        removes: false,
    };
    let rows = bench.store.roots(vec![p, spec]).await.unwrap();
    for row in &rows {
        bench.store.root_opened(row.id, true, t(0)).await.unwrap();
    }
    bench.queue(rows[1].id, Some("A"), [2]).await;
    assert_eq!(rows[0].id, root);
    for claim in bench.store.claim(2, false, t(1)).await.unwrap() {
        let Hashed::Upload(item, _) = bench
            .store
            .hashed(claim.file, content(number(&claim)), t(1))
            .await
            .unwrap()
        else {
            panic!()
        };
        bench.token(item, t(1)).await;
    }
    assert!(waits(&bench.plan(backfill(), t(2)).await).0.is_some());
    bench.store.root_away(rows[1].id).await.unwrap();
    assert_eq!(bench.batch(backfill(), t(2)).await.items.len(), 2);
}

#[tokio::test]
async fn nothing_partial_leaves_a_backfill_while_its_scan_may_find_more() {
    let (bench, _) = bench(0..60).await;
    bench.send_all(t(1)).await;
    let scanning = PlanRules {
        scanning: true,
        ..backfill()
    };
    let calls = bench.make_all(scanning, t(1)).await;
    assert_eq!(
        calls
            .iter()
            .map(|(items, _)| items.len())
            .collect::<Vec<_>>(),
        [50]
    );
    assert_eq!(bench.make_all(backfill(), t(1)).await[0].0.len(), 10);
    bench.check();
}

#[tokio::test]
async fn when_uploads_stand_still_the_fullest_batch_leaves() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..2).await;
    bench.queue(root, Some("B"), 10..15).await;
    bench.send_all(t(1)).await;
    bench.queue(root, Some("A"), [2]).await;
    bench.queue(root, Some("B"), [20]).await;
    waits(&bench.plan(daemon(), t(1)).await);
    let bound = PlanRules {
        ready_tokens: 7,
        ..daemon()
    };
    let batch = bench.batch(bound, t(1)).await;
    assert_eq!(batch.items.len(), 5);
}

#[tokio::test]
async fn the_library_takes_anything_in_one_call() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0, 2]).await;
    bench.send_all(t(1)).await;
    bench.make_all(backfill(), t(1)).await;
    bench.queue(root, None, [1, 3]).await;
    bench.send_all(t(1)).await;
    let calls = bench.make_all(backfill(), t(1)).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1, None, "the library knows no order");
    assert_eq!(bench.count("placement", "placed"), 0, "and no placements");
    assert!(bench.store.is_drained().await.unwrap());
    bench.check();
}

#[tokio::test]
async fn two_equal_contents_are_never_in_one_call() {
    let (bench, _) = bench(0..6).await;
    for claim in bench.store.claim(9, false, t(1)).await.unwrap() {
        let same = content(number(&claim) % 2);
        if let Hashed::Upload(item, _) = bench.store.hashed(claim.file, same, t(1)).await.unwrap() {
            bench.token(item, t(1)).await;
        }
    }
    let calls = bench.make_all(backfill(), t(1)).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0.len(), 2);
    bench.check();
}

#[tokio::test]
async fn nothing_is_put_behind_what_the_service_has_lost() {
    let (bench, root) = bench([0, 1, 9]).await;
    let items = bench.send_all(t(1)).await;
    bench.make_all(backfill(), t(1)).await;
    bench
        .store
        .verdicts(
            vec![(items[1], Verdict::Gone), (items[1], Verdict::Gone)],
            t(2),
        )
        .await
        .unwrap();
    assert_eq!(bench.state(items[1]), "missing");
    bench.queue(root, Some("A"), [5]).await;
    bench.send_all(t(2)).await;
    let late = bench.batch(backfill(), t(2)).await;
    assert_eq!(
        late.position,
        Some(Position::After(media_item_id(items[0])))
    );
    bench.check();
}
