//! Media items that join a further album: by their token, or by `batchAddMediaItems`.

use super::*;
use crate::model::batch_plan::Position;

/// A media item of album A whose bytes turn up for album B as well.
async fn made_twice() -> (Bench, ItemId) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [5]).await;
    let item = bench.send_all(t(0)).await[0];
    bench.make_all(backfill(), t(0)).await;
    bench.queue(root, Some("B"), [1]).await;
    let known = bench.hash_next(content(5), t(0)).await;
    assert!(
        matches!(known, Hashed::Duplicate(same, crate::model::item::State::Created) if same == item)
    );
    assert!(!bench.store.is_drained().await.unwrap());
    (bench, item)
}

async fn answer(bench: &Bench, batch: &PlannedBatch, what: Outcome, now: Timestamp) {
    let call = bench.journal(batch, now).await;
    let outcomes = vec![outcome(batch.items[0].item, what)];
    bench
        .store
        .items_answered(call.id.into(), batch.album, 200, outcomes, None, now)
        .await
        .unwrap();
    bench.check();
}

#[tokio::test]
async fn a_living_token_gives_it_a_place_in_a_second_album() {
    let (bench, item) = made_twice().await;
    let calls = bench.make_all(backfill(), t(1)).await;
    assert_eq!(calls, [(vec![item], Some(Position::Last))]);
    assert_eq!(bench.state(item), "created");
    assert_eq!(bench.count("placement", "placed"), 2);
    assert!(
        bench
            .reader()
            .albums()
            .unwrap()
            .iter()
            .all(|album| album.out_of_sequence == 0)
    );
    assert!(bench.store.is_drained().await.unwrap());
    bench.check();
}

#[tokio::test]
async fn while_it_waits_for_company_it_is_not_appended() {
    let (bench, item) = made_twice().await;
    if let Planned::Album(task) = bench.plan(daemon(), t(30)).await {
        bench.make(&task, t(1)).await;
    }
    let planned = bench.plan(daemon(), t(1)).await;
    assert!(
        matches!(planned, Planned::Wait { until: Some(_), .. }),
        "{planned:?}"
    );
    assert_eq!(bench.batch(daemon(), t(30)).await.items[0].item, item);
}

#[tokio::test]
async fn a_failure_there_is_no_failure_of_the_item_and_waits_its_time() {
    let (bench, item) = made_twice().await;
    let batch = bench.batch(backfill(), t(1)).await;
    answer(
        &bench,
        &batch,
        Outcome::Again {
            not_before: t(90),
            blamed: Some(2),
        },
        t(1),
    )
    .await;
    assert_eq!(bench.state(item), "created");
    let Planned::Wait { until, .. } = bench.plan(backfill(), t(89)).await else {
        panic!("it waits")
    };
    assert_eq!(until, Some(t(90)));
    let batch = bench.batch(backfill(), t(90)).await;
    answer(
        &bench,
        &batch,
        Outcome::Again {
            not_before: t(91),
            blamed: Some(2),
        },
        t(90),
    )
    .await;
    assert_eq!(bench.state(item), "created");
    assert_eq!(bench.count("placement", "refused"), 1);
    assert!(bench.store.is_drained().await.unwrap());
}

#[tokio::test]
async fn without_a_living_token_it_is_appended() {
    for dead in [true, false] {
        let (bench, item) = made_twice().await;
        let now = if dead { t(23 * 3600) } else { t(1) };
        if !dead {
            let batch = bench.batch(backfill(), now).await;
            answer(
                &bench,
                &batch,
                Outcome::Reupload {
                    not_before: now,
                    blamed: None,
                },
                now,
            )
            .await;
        }
        let addition = loop {
            match bench.plan(backfill(), now).await {
                Planned::Album(task) => bench.make(&task, now).await,
                Planned::Add(addition) => break addition,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(addition.items, [(item, media_item_id(item))]);
        let call = NewCall {
            kind: CallKind::AddItems,
            items: vec![item],
            ..create_album(addition.album)
        };
        let call = bench.store.journal(call, now).await.unwrap();
        bench.check();
        bench
            .store
            .additions_answered(call.id, addition.album, None, None, now)
            .await
            .unwrap();
        let albums = bench.reader().albums().unwrap();
        assert_eq!(
            albums
                .iter()
                .map(|album| album.out_of_sequence)
                .sum::<u64>(),
            0,
            "nothing stands there that is later"
        );
        assert!(bench.store.is_drained().await.unwrap());
        bench.check();
    }
}

#[tokio::test]
async fn refused_additions_are_tried_one_by_one_and_then_no_more() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..3).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    let album = bench.reader().albums().unwrap()[0].row;
    let now = t(24 * 3600);
    bench.store.album_lost(album).await.unwrap();
    let mut sizes = Vec::new();
    for step in 0..20 {
        let now = crate::clock::after(now, Duration::from_secs(step * 10));
        match bench.plan(backfill(), now).await {
            Planned::Album(task) => bench.make(&task, now).await,
            Planned::Add(addition) => {
                sizes.push(addition.items.len());
                let call = NewCall {
                    kind: CallKind::AddItems,
                    items: addition.items.iter().map(|(item, _)| *item).collect(),
                    ..create_album(album)
                };
                let call = bench.store.journal(call, now).await.unwrap();
                let bad = addition.items.iter().any(|(item, _)| item.0 == 2);
                let error = bad.then(|| ("refused".to_owned(), now));
                bench
                    .store
                    .additions_answered(call.id, album, error, Some(3), now)
                    .await
                    .unwrap();
                bench.check();
            }
            Planned::Wait { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sizes, [3, 1, 1, 1, 1]);
    assert_eq!(
        (
            bench.count("placement", "placed"),
            bench.count("placement", "refused")
        ),
        (2, 1)
    );
    assert!(bench.store.is_drained().await.unwrap());
}

#[tokio::test]
async fn an_album_that_was_made_again_is_filled_in_order_also_by_what_can_only_be_added() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [1, 2, 8]).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    let album = bench.reader().albums().unwrap()[0].row;
    bench.store.album_lost(album).await.unwrap();
    let now = t(24 * 3600);
    bench.queue(root, Some("A"), [0, 5, 9]).await;
    bench.send_all(now).await;
    let mut done = Vec::new();
    for _ in 0..20 {
        match bench.plan(backfill(), now).await {
            Planned::Album(task) => bench.make(&task, now).await,
            Planned::Add(addition) => {
                let call = NewCall {
                    kind: CallKind::AddItems,
                    items: addition.items.iter().map(|(item, _)| *item).collect(),
                    ..create_album(album)
                };
                let call = bench.store.journal(call, now).await.unwrap();
                bench
                    .store
                    .additions_answered(call.id, album, None, None, now)
                    .await
                    .unwrap();
                done.push(format!("{} added", addition.items.len()));
            }
            Planned::Batch(batch) => {
                done.push(format!("{} at {:?}", batch.items.len(), batch.position));
                let call = bench.journal(&batch, now).await;
                let made = batch.items.iter().map(|item| made(item.item)).collect();
                bench
                    .store
                    .items_answered(call.id.into(), album, 200, made, None, now)
                    .await
                    .unwrap();
            }
            Planned::Wait { .. } => break,
            other => panic!("{other:?}"),
        }
        bench.check();
    }
    assert_eq!(done.len(), 4);
    assert_eq!(done[0], "3 added", "{done:?}");
    assert_eq!(
        done[1..]
            .iter()
            .filter(|call| call.contains("Last"))
            .count(),
        1
    );
    assert_eq!(bench.reader().albums().unwrap()[0].out_of_sequence, 0);
    assert!(bench.store.is_drained().await.unwrap());
}

#[tokio::test]
async fn what_an_answer_left_out_and_no_other_call_tells_is_read_in_its_album() {
    for later in [None, Some(t(2))] {
        let bench = Bench::new();
        let root = bench.root("/p").await;
        bench.queue(root, Some("A"), [5]).await;
        let item = bench.send_all(t(0)).await[0];
        let untold = Outcome::MissingResult {
            not_before: later,
            blamed: 8,
        };
        let batch = bench.batch(backfill(), t(1)).await;
        answer(&bench, &batch, untold, t(1)).await;
        // The call of its own is refused for its token, and others come between.
        let batch = bench.batch(backfill(), t(2)).await;
        let token = Outcome::Reupload {
            not_before: t(3),
            blamed: None,
        };
        answer(&bench, &batch, token, t(2)).await;
        bench.send_all(t(3)).await;
        let batch = bench.batch(backfill(), t(4)).await;
        let call = bench.journal(&batch, t(4)).await;
        let made = vec![made(item)];
        let answered =
            bench
                .store
                .items_answered(call.id.into(), batch.album, 200, made, None, t(4));
        answered.await.unwrap();
        let next = bench.plan(backfill(), t(5)).await;
        assert!(matches!(next, Planned::Read(..)), "{next:?}");
        bench.check();
    }
}
