//! What the day, the album and the age of a token allow.

use super::*;
use crate::model::batch_plan::Position;
use planning::{bench, waits};

#[tokio::test]
async fn fresh_items_leave_first_and_alone_when_the_day_is_short() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("old"), [0]).await;
    let Change::Found {
        root,
        dir,
        name,
        stat,
        ..
    } = found(root, None, 1)
    else {
        panic!()
    };
    let decision = FileDecision::Queue {
        album: Some("new".to_owned()),
        key: key(1),
        large: false,
        fresh: true,
    };
    bench
        .store
        .record(
            vec![Change::Found {
                root,
                dir,
                name,
                stat,
                decision,
            }],
            t(0),
        )
        .await
        .unwrap();
    bench.send_all(t(1)).await;
    let fresh = bench.batch(backfill(), t(1)).await;
    let turn = PlanRules {
        backfill_turn: true,
        ..backfill()
    };
    let old = bench.batch(turn, t(1)).await;
    assert_ne!(fresh.album, old.album);
    let call = bench.journal(&fresh, t(1)).await;
    let outcomes = vec![made(fresh.items[0].item)];
    bench
        .store
        .items_answered(call.id.into(), fresh.album, 200, outcomes, None, t(1))
        .await
        .unwrap();
    let short = PlanRules {
        fresh_only: true,
        ..backfill()
    };
    let until = crate::clock::service_day_ends(t(1));
    assert_eq!(waits(&bench.plan(short, t(1)).await).0, Some(until));
    bench.check();
}

#[tokio::test]
async fn without_budget_late_ones_wait_and_the_tail_goes_on() {
    // A hundred gaps, each with one that came late, and new ones behind.
    let (bench, root) = bench((0..100).map(|n| 2 * n)).await;
    bench.send_all(t(1)).await;
    bench.make_all(backfill(), t(1)).await;
    bench
        .queue(root, Some("A"), (0..99).map(|n| 2 * n + 1).chain(300..303))
        .await;
    bench.send_all(t(2)).await;
    let spent = PlanRules {
        order_calls_left: Some(0),
        ..backfill()
    };
    let calls = bench.make_all(spent, t(2)).await;
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].0.len(), &calls[0].1), (3, &Some(Position::Last)));
    let (until, bound_by) = waits(&bench.plan(spent, t(2)).await);
    assert_eq!(bound_by, Some(Budget::Order));
    assert_eq!(until, Some(crate::clock::service_day_ends(t(2))));
    let late = bench.make_all(backfill(), t(2)).await;
    assert_eq!(late.len(), 99);
    assert_eq!(bench.reader().albums().unwrap()[0].out_of_sequence, 0);
    bench.check();
}

#[tokio::test]
async fn where_no_day_allows_calls_for_order_late_ones_go_to_the_end_and_do_not_wait() {
    let (bench, root) = bench([0, 2, 4]).await;
    bench.send_all(t(1)).await;
    bench.make_all(backfill(), t(1)).await;
    bench.queue(root, Some("A"), [1, 3, 9]).await;
    bench.send_all(t(2)).await;
    let never = PlanRules {
        order_calls_left: None,
        ..backfill()
    };
    let calls = bench.make_all(never, t(2)).await;
    let sizes: Vec<_> = calls.iter().map(|(items, _)| items.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 3);
    assert!(
        calls
            .iter()
            .all(|(_, position)| *position == Some(Position::Last))
    );
    assert_eq!(bench.reader().albums().unwrap()[0].out_of_sequence, 2);
    bench.check();
}

#[tokio::test]
async fn an_album_that_waits_holds_up_only_itself() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [0]).await;
    bench.queue(root, Some("B"), [1]).await;
    bench.send_all(t(1)).await;
    let a = bench.batch(backfill(), t(1)).await.album;
    bench
        .store
        .album_waits(a, t(70), "it was just made".to_owned())
        .await
        .unwrap();
    let b = bench.batch(backfill(), t(1)).await;
    assert_ne!(b.album, a);
    bench.make_all(backfill(), t(1)).await;
    assert_eq!(waits(&bench.plan(backfill(), t(1)).await).0, Some(t(70)));
    assert_eq!(bench.batch(backfill(), t(70)).await.album, a);
    bench.check();
}

#[tokio::test]
async fn a_token_of_23_hours_is_dropped_and_so_is_one_from_the_future() {
    for (then, dead) in [
        (23 * 3600 - 1, false),
        (23 * 3600, true),
        (-59, false),
        (-3600, true),
    ] {
        let (bench, _) = bench([0]).await;
        let item = bench.send_all(t(0)).await[0];
        let planned = bench.plan(backfill(), t(then)).await;
        bench.check();
        assert_eq!(
            bench.state(item),
            if dead { "queued" } else { "uploaded" },
            "{then}"
        );
        assert_eq!(matches!(planned, Planned::Wait { .. }), dead);
        if dead {
            assert_eq!(
                bench.send_all(t(then)).await,
                [item],
                "the bytes go up again"
            );
            bench.check();
        }
    }
}
