//! Descriptions: planned, told, refused, and whose words count.

use super::*;
use crate::{clock, model::ids::FileId};

/// Claims the files in the queue; the `n`th has the content of the `n % 10`th, and these words.
async fn hash_with(bench: &Bench, text: Option<&str>, now: Timestamp) -> Vec<(Claimed, Hashed)> {
    let mut all = Vec::new();
    for claim in bench.store.claim(100, false, now).await.unwrap() {
        let words = DescriptionSource {
            sidecars: 7,
            text: text.map(str::to_owned),
        };
        let content = Content {
            words: Some(words),
            ..content(number(&claim) % 10)
        };
        let hashed = bench.store.hashed(claim.file, content, now).await.unwrap();
        all.push((claim, hashed));
    }
    all
}

/// One picture that is made, with these words; gives its file and its item.
async fn one_made(bench: &Bench, text: Option<&str>) -> (FileId, ItemId) {
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    let (claim, Hashed::Upload(item, _)) = hash_with(bench, text, t(1)).await.remove(0) else {
        panic!("its bytes are new");
    };
    bench.token(item, t(1)).await;
    make(bench, t(1)).await;
    (claim.file, item)
}

/// Sends the batch that leaves, and gives the words that it carries.
async fn make(bench: &Bench, now: Timestamp) -> Vec<Option<String>> {
    let batch = bench.batch(backfill(), now).await;
    let call = bench.journal(&batch, now).await;
    answer(bench, &call, &batch, now).await;
    batch
        .items
        .into_iter()
        .map(|item| item.description)
        .collect()
}

async fn answer(bench: &Bench, call: &Journalled, batch: &PlannedBatch, now: Timestamp) {
    let outcome = |item: &BatchItem| {
        let media_item_id = media_item_id(item.item);
        let made = Outcome::Made {
            media_item_id,
            product_url: None,
            description: item.description.clone(),
        };
        outcome(item.item, made)
    };
    let outcomes = batch.items.iter().map(outcome).collect();
    let store = &bench.store;
    store
        .items_answered(call.id.into(), batch.album, 200, outcomes, None, now)
        .await
        .unwrap();
}

async fn changed(bench: &Bench, file: FileId, text: Option<&str>, now: Timestamp) {
    let words = DescriptionSource {
        sidecars: 8,
        text: text.map(str::to_owned),
    };
    let change = Change::Described { file, words };
    bench.store.record(vec![change], now).await.unwrap();
}

/// The description that is to be told now.
async fn due(bench: &Bench, now: Timestamp) -> Option<Description> {
    match bench.plan(backfill(), now).await {
        Planned::Describe(description) => Some(description),
        Planned::Wait { .. } => None,
        other => panic!("{other:?}"),
    }
}

async fn journal(bench: &Bench, description: &Description, now: Timestamp) -> Journalled {
    let call = NewCall {
        kind: CallKind::DescribeItem,
        album: crate::model::ids::AlbumRow(0),
        position: None,
        path: "/v1/mediaItems/m".to_owned(),
        body: "{}".to_owned(),
        items: vec![description.item],
        for_order: false,
    };
    bench.store.journal(call, now).await.unwrap()
}

async fn tell(bench: &Bench, now: Timestamp) -> Option<String> {
    let description = due(bench, now).await?;
    let call = journal(bench, &description, now).await;
    let text = description.text.clone();
    let store = &bench.store;
    store
        .description_answered(call.id, description.item, text, 200, now)
        .await
        .unwrap();
    Some(description.text)
}

#[tokio::test]
async fn words_go_with_their_picture_and_later_ones_by_themselves_once() {
    let bench = Bench::new();
    let (file, item) = one_made(&bench, Some("one")).await;
    assert!(due(&bench, t(2)).await.is_none());
    assert!(bench.store.is_drained().await.unwrap());
    changed(&bench, file, Some("two"), t(3)).await;
    assert!(!bench.store.is_drained().await.unwrap());
    assert_eq!(bench.reader().overview(t(3)).unwrap().to_describe, 1);
    assert_eq!(tell(&bench, t(4)).await.as_deref(), Some("two"));
    assert_eq!(tell(&bench, t(4)).await, None);
    assert!(bench.store.is_drained().await.unwrap());
    // The same again, and none any more, are no change.
    changed(&bench, file, Some("two"), t(5)).await;
    changed(&bench, file, None, t(5)).await;
    assert!(due(&bench, t(6)).await.is_none());
    let requests = bench.store.ledger(t(6)).await.unwrap().requests;
    assert_eq!(requests, 2, "the batch and one change");
    let told: String = bench.one("SELECT sent_description FROM items WHERE id = ?1", item.0);
    assert_eq!(told, "two");
    bench.check();
}

#[tokio::test]
async fn words_that_change_between_plan_and_answer_are_told_afterwards() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    let (claim, Hashed::Upload(item, _)) = hash_with(&bench, Some("one"), t(1)).await.remove(0)
    else {
        panic!("its bytes are new");
    };
    bench.token(item, t(1)).await;
    let batch = bench.batch(backfill(), t(1)).await;
    changed(&bench, claim.file, Some("two"), t(2)).await;
    let call = bench.journal(&batch, t(3)).await;
    changed(&bench, claim.file, Some("three"), t(4)).await;
    answer(&bench, &call, &batch, t(5)).await;
    assert_eq!(batch.items[0].description.as_deref(), Some("one"));
    assert_eq!(tell(&bench, t(6)).await.as_deref(), Some("three"));
}

#[tokio::test]
async fn words_that_go_before_anything_was_sent_are_not_sent() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    let (claim, Hashed::Upload(item, _)) = hash_with(&bench, Some("one"), t(1)).await.remove(0)
    else {
        panic!("its bytes are new");
    };
    changed(&bench, claim.file, None, t(2)).await;
    bench.token(item, t(2)).await;
    assert_eq!(make(&bench, t(3)).await, [None]);
    assert!(due(&bench, t(4)).await.is_none());
}

#[tokio::test]
async fn a_refusal_waits_then_rests_and_new_words_ask_anew() {
    let bench = Bench::new();
    let (file, _) = one_made(&bench, None).await;
    changed(&bench, file, Some("in vain"), t(2)).await;
    for n in 0..2_i64 {
        let now = t(10 + 10 * n);
        let description = due(&bench, now).await.unwrap();
        let call = journal(&bench, &description, now).await;
        let later = t(15 + 10 * n);
        let reason = "not found".to_owned();
        let store = &bench.store;
        store
            .description_refused(call.id, description.item, reason, later, Some(2), now)
            .await
            .unwrap();
        match bench.plan(backfill(), now).await {
            Planned::Wait { until, .. } => assert_eq!(until, (n == 0).then_some(later)),
            other => panic!("{other:?}"),
        }
    }
    assert!(due(&bench, t(1000)).await.is_none());
    assert!(bench.store.is_drained().await.unwrap());
    changed(&bench, file, Some("better"), t(1001)).await;
    assert_eq!(tell(&bench, t(1002)).await.as_deref(), Some("better"));
}

#[tokio::test]
async fn trouble_of_the_account_is_not_held_against_the_words() {
    let bench = Bench::new();
    let (file, _) = one_made(&bench, None).await;
    changed(&bench, file, Some("patient"), t(2)).await;
    for n in 0..20 {
        let description = due(&bench, t(n + 3)).await.unwrap();
        let call = journal(&bench, &description, t(n + 3)).await;
        let reason = "too many".to_owned();
        let store = &bench.store;
        store
            .description_refused(call.id, description.item, reason, t(n + 4), None, t(n + 3))
            .await
            .unwrap();
    }
    assert_eq!(tell(&bench, t(30)).await.as_deref(), Some("patient"));
}

#[tokio::test]
async fn what_is_kept_for_fresh_files_is_not_spent_on_words() {
    let bench = Bench::new();
    let (file, _) = one_made(&bench, None).await;
    changed(&bench, file, Some("later"), t(2)).await;
    let rules = PlanRules {
        fresh_only: true,
        ..backfill()
    };
    match bench.plan(rules, t(3)).await {
        Planned::Wait {
            until, bound_by, ..
        } => {
            assert_eq!(until, Some(clock::service_day_ends(t(3))));
            assert_eq!(bound_by, Some(Budget::Reserve));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_equal_files_the_first_with_words_decides_until_it_is_gone() {
    let bench = Bench::new();
    let (first, item) = one_made(&bench, None).await;
    // The second file of the same bytes has words, and the first has none.
    let root = bench.root("/p").await;
    bench.queue(root, None, [10]).await;
    let (second, _) = hash_with(&bench, Some("of the second"), t(5))
        .await
        .remove(0);
    assert_eq!(tell(&bench, t(6)).await.as_deref(), Some("of the second"));
    changed(&bench, first, Some("of the first"), t(7)).await;
    assert!(due(&bench, t(8)).await.is_none());
    let gone = Change::Missing {
        file: second.file,
        confirmed: true,
    };
    bench.store.record(vec![gone], t(9)).await.unwrap();
    changed(&bench, first, Some("of the first"), t(10)).await;
    assert_eq!(tell(&bench, t(11)).await.as_deref(), Some("of the first"));
    let by: i64 = bench.one(
        "SELECT description_file_id FROM items WHERE id = ?1",
        item.0,
    );
    assert_eq!(by, first.0);
}
