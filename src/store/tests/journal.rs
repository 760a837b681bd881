//! Calls word for word, and the result of each item.

use super::*;
use crate::model::batch_plan::Position;

/// So many items that are ready for album A.
async fn ready(n: u32) -> (Bench, PlannedBatch) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..n).await;
    bench.send_all(t(1)).await;
    let batch = bench.batch(backfill(), t(1)).await;
    (bench, batch)
}

async fn answer(
    bench: &Bench,
    batch: &PlannedBatch,
    call: &Journalled,
    outcomes: Vec<ItemOutcome>,
    now: Timestamp,
) {
    bench
        .store
        .items_answered(call.id.into(), batch.album, 200, outcomes, None, now)
        .await
        .unwrap();
    bench.check();
}

#[tokio::test]
async fn a_call_is_journalled_and_counted_in_one_transaction() {
    let (bench, batch) = ready(3).await;
    let before = bench.store.ledger(t(1)).await.unwrap();
    let call = bench.journal(&batch, t(1)).await;
    bench.check();
    assert_eq!(bench.count("item", "creating"), 3);
    assert_eq!(
        bench.store.ledger(t(1)).await.unwrap().requests,
        before.requests + 1
    );
    let kept = bench.store.unanswered().await.unwrap().unwrap();
    assert_eq!(
        (kept.id, kept.kind, kept.sends),
        (call.id, CallKind::CreateItems, 1)
    );
    assert_eq!((kept.body.as_str(), kept.sent_at), ("word for word", t(1)));
    assert_eq!(kept.items, call.items);
    // A call that cannot be journalled is not counted either.
    let mut other = new_call(&batch);
    other.for_order = true;
    bench.store.journal(other, t(1)).await.unwrap_err();
    let ledger = bench.store.ledger(t(1)).await.unwrap();
    assert_eq!(
        (ledger.requests, ledger.order_calls),
        (before.requests + 1, 0)
    );
}

#[tokio::test]
async fn a_second_call_while_one_is_open_is_refused_without_harm() {
    let (bench, batch) = ready(2).await;
    let open = bench.journal(&batch, t(1)).await;
    assert!(
        bench
            .store
            .journal(create_album(AlbumRow(0)), t(1))
            .await
            .is_err()
    );
    bench.check();
    assert_eq!(bench.store.unanswered().await.unwrap().unwrap().id, open.id);
    answer(
        &bench,
        &batch,
        &open,
        batch.items.iter().map(|b| made(b.item)).collect(),
        t(2),
    )
    .await;
    assert!(bench.store.unanswered().await.unwrap().is_none());
}

#[tokio::test]
async fn an_item_without_a_token_cannot_be_journalled() {
    let (bench, batch) = ready(2).await;
    let call = bench.journal(&batch, t(1)).await;
    let fresh = |item| {
        outcome(
            item,
            Outcome::Reupload {
                not_before: t(1),
                blamed: None,
            },
        )
    };
    answer(
        &bench,
        &batch,
        &call,
        batch.items.iter().map(|b| fresh(b.item)).collect(),
        t(1),
    )
    .await;
    let error = bench
        .store
        .journal(new_call(&batch), t(1))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Overtaken(_)));
    assert!(bench.store.unanswered().await.unwrap().is_none());
    bench.check();
}

#[tokio::test]
async fn a_repeated_call_is_the_same_and_is_counted_again() {
    let (bench, batch) = ready(2).await;
    let call = bench.journal(&batch, t(1)).await;
    let before = bench.store.ledger(t(1)).await.unwrap().requests;
    bench.store.close().await;
    let bench = Bench {
        store: Store::open(bench.dir.path()).unwrap(),
        dir: bench.dir,
    };
    bench.store.recover(t(2)).await.unwrap();
    bench.store.repeated(call.id, t(40)).await.unwrap();
    let again = bench.store.unanswered().await.unwrap().unwrap();
    assert_eq!(
        (again.sends, again.sent_at, again.body, again.items),
        (2, t(40), call.body, call.items)
    );
    assert_eq!(bench.store.ledger(t(1)).await.unwrap().requests, before + 1);
    assert_eq!(
        bench.count("item", "creating"),
        2,
        "a start takes nothing out of an open call"
    );
    bench.check();
}

#[tokio::test]
async fn each_item_gets_its_own_result_and_the_words_are_dropped() {
    let (bench, batch) = ready(5).await;
    let call = bench.journal(&batch, t(1)).await;
    let items: Vec<_> = batch.items.iter().map(|b| b.item).collect();
    let failed = ItemOutcome {
        code: Some(3),
        message: Some("Failed: There was an error".to_owned()),
        reason: Some("the service refused it".to_owned()),
        ..outcome(items[3], given_up())
    };
    let outcomes = vec![
        made(items[0]),
        outcome(
            items[1],
            Outcome::Again {
                not_before: t(50),
                blamed: Some(8),
            },
        ),
        outcome(
            items[2],
            Outcome::Reupload {
                not_before: t(50),
                blamed: None,
            },
        ),
        failed,
        outcome(items[4], Outcome::Alone),
    ];
    answer(&bench, &batch, &call, outcomes, t(2)).await;
    let states: Vec<_> = items.iter().map(|item| bench.state(*item)).collect();
    assert_eq!(
        states,
        ["created", "uploaded", "queued", "failed", "uploaded"]
    );
    let body: Option<String> = bench.one("SELECT body FROM calls WHERE id = ?1", call.id.0);
    assert_eq!(body, None);
    let code: Option<i32> = bench.one(
        "SELECT code FROM call_items WHERE item_id = ?1 AND code IS NOT NULL",
        items[3].0,
    );
    assert_eq!(code, Some(3));
    let failure = bench.reader().overview(t(2)).unwrap().failures.remove(0);
    assert_eq!(
        (failure.code, failure.state, failure.attempts),
        (Some(3), "failed", 1)
    );
    assert_eq!(failure.path, PathBuf::from("/p/IMG_00003.jpg"));
    // The one that goes alone does so at once; the other waits for its time.
    let alone = bench.batch(backfill(), t(2)).await;
    assert_eq!(
        alone.items.iter().map(|b| b.item).collect::<Vec<_>>(),
        [items[4]]
    );
}

#[tokio::test]
async fn the_second_code_3_fails_the_item() {
    let (bench, batch) = ready(1).await;
    let item = batch.items[0].item;
    for (now, state) in [(2, "uploaded"), (3, "failed")] {
        let batch = bench.batch(backfill(), t(now)).await;
        let call = bench.journal(&batch, t(now)).await;
        let again = Outcome::Again {
            not_before: t(now),
            blamed: Some(2),
        };
        answer(&bench, &batch, &call, vec![outcome(item, again)], t(now)).await;
        assert_eq!(bench.state(item), state);
    }
    assert!(bench.store.is_drained().await.unwrap());
}

#[tokio::test]
async fn what_a_refused_call_carried_is_not_lost() {
    let (bench, batch) = ready(3).await;
    let call = bench.journal(&batch, t(1)).await;
    // No outcome for anybody: all of it is ready again.
    bench
        .store
        .items_refused(
            call.id.into(),
            batch.album,
            Some(429),
            "too many".to_owned(),
            Vec::new(),
            t(2),
        )
        .await
        .unwrap();
    bench.check();
    assert_eq!(bench.count("item", "uploaded"), 3);
    let batch = bench.batch(backfill(), t(2)).await;
    let call = bench.journal(&batch, t(2)).await;
    answer(&bench, &batch, &call, vec![made(batch.items[0].item)], t(3)).await;
    assert_eq!(
        (
            bench.count("item", "created"),
            bench.count("item", "uploaded")
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn what_is_left_over_of_a_call_goes_to_its_place() {
    let (bench, batch) = ready(3).await;
    let items: Vec<_> = batch.items.iter().map(|b| b.item).collect();
    let call = bench.journal(&batch, t(1)).await;
    let again = outcome(
        items[1],
        Outcome::Again {
            not_before: t(9),
            blamed: None,
        },
    );
    answer(
        &bench,
        &batch,
        &call,
        vec![made(items[0]), again, made(items[2])],
        t(2),
    )
    .await;
    let Planned::Wait { until, .. } = bench.plan(backfill(), t(3)).await else {
        panic!()
    };
    assert_eq!(until, Some(t(9)));
    let part = bench
        .store
        .plan_part(batch.album, vec![items[1], items[0]])
        .await
        .unwrap();
    assert_eq!(
        part.items.len(),
        1,
        "what is placed already is not sent again"
    );
    let late = bench.batch(backfill(), t(9)).await;
    assert!(late.for_order);
    assert_eq!(
        late.position,
        Some(Position::After(media_item_id(items[0])))
    );
    assert_eq!(part.position, late.position);
}

#[tokio::test]
async fn a_refused_position_becomes_an_append_in_parts_too() {
    let (bench, batch) = ready(3).await;
    let items: Vec<_> = batch.items.iter().map(|b| b.item).collect();
    let call = bench.journal(&batch, t(1)).await;
    let again = |item| {
        outcome(
            item,
            Outcome::Again {
                not_before: t(2),
                blamed: None,
            },
        )
    };
    answer(
        &bench,
        &batch,
        &call,
        vec![again(items[0]), made(items[1]), made(items[2])],
        t(2),
    )
    .await;
    let late = bench.batch(backfill(), t(2)).await;
    assert_eq!(late.position, Some(Position::First));
    let (album, item) = (late.album, items[0]);
    bench
        .store
        .write(move |db| crate::store::positions::append(db, album, [item]))
        .await
        .unwrap();
    let part = bench
        .store
        .plan_part(late.album, vec![items[0]])
        .await
        .unwrap();
    assert_eq!(
        (part.position, part.for_order),
        (Some(Position::Last), false)
    );
    let calls = bench.make_all(backfill(), t(2)).await;
    assert_eq!(calls, [(vec![items[0]], Some(Position::Last))]);
    assert_eq!(bench.reader().albums().unwrap()[0].out_of_sequence, 1);
    bench.check();
}
