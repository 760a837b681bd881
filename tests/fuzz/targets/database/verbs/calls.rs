//! Planning, calls and their answers.

use std::time::Duration;

use albumen::{
    model::{
        batch_plan::{FlushPolicy, Position},
        ids::{AlbumRow, CallId, ItemId, MediaItemId},
    },
    store::{
        CallKind, ItemOutcome, NewCall, Outcome, PlanRules, RecordedCall, Result, Store, Uncertain,
        Verdict,
    },
};

use super::{Bytes, time};

fn outcome(input: &mut Bytes) -> ItemOutcome {
    let blamed = (input.byte() % 2 == 1).then_some(2);
    ItemOutcome {
        item: ItemId(input.row()),
        outcome: match input.byte() % 5 {
            0 => Outcome::Made {
                media_item_id: MediaItemId::new(input.text()),
                product_url: None,
                description: (input.byte() % 2 == 1).then(|| input.text()),
            },
            1 => Outcome::Again {
                not_before: time(input),
                blamed,
            },
            2 => Outcome::Reupload {
                not_before: time(input),
                blamed,
            },
            3 => Outcome::Alone,
            _ => Outcome::MissingResult {
                not_before: (input.byte() % 2 == 1).then(|| time(input)),
                blamed: 2,
            },
        },
        code: Some(i32::from(input.byte()) - 100),
        message: Some(input.text()),
        reason: None,
    }
}

fn settled(call: CallId, input: &mut Bytes) -> RecordedCall {
    let doubt = match input.byte() % 3 {
        0 => Uncertain::Nothing,
        1 => Uncertain::Order((input.byte() % 2 == 1).then(|| input.number() as u64)),
        _ => Uncertain::Items,
    };
    RecordedCall { call, doubt }
}

fn new_call(input: &mut Bytes) -> NewCall {
    const KINDS: [CallKind; 5] = [
        CallKind::CreateItems,
        CallKind::CreateAlbum,
        CallKind::AddItems,
        CallKind::RemoveItems,
        CallKind::DescribeItem,
    ];
    NewCall {
        kind: KINDS[usize::from(input.byte() % 5)],
        album: AlbumRow(input.row()),
        position: match input.byte() % 4 {
            0 => None,
            1 => Some(Position::First),
            2 => Some(Position::Last),
            _ => Some(Position::After(MediaItemId::new(input.text()))),
        },
        path: input.text(),
        body: input.text(),
        items: vec![ItemId(input.row()), ItemId(input.row())],
        for_order: input.byte() % 2 == 1,
    }
}

/// What is planned and journalled.
pub(super) async fn of_plans(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (call, item, album) = (
        CallId(input.row()),
        ItemId(input.row()),
        AlbumRow(input.row()),
    );
    let items = vec![item, ItemId(input.row())];
    match verb {
        0 | 1 => {
            let rules = PlanRules {
                patience: FlushPolicy {
                    max_wait: Duration::from_secs(u64::from(input.byte())),
                    final_flush: input.byte() % 2 == 1,
                    backpressure: input.byte() % 2 == 1,
                },
                ready_tokens: u64::from(input.byte()),
                resumable_above: 16_000_000,
                order_calls_left: Some(u64::from(input.byte())),
                scanning: input.byte() % 2 == 1,
                backfill_turn: input.byte() % 2 == 1,
                fresh_only: input.byte() % 2 == 1,
                quiet: (input.byte() % 2 == 1).then(|| Duration::from_mins(1)),
            };
            let _ = store.plan(rules, now).await?;
        }
        2 => {
            let _ = store.plan_probe(now).await?;
        }
        3 => {
            let _ = store.tokens_ready().await?;
        }
        4 => {
            let _ = store.plan_removal(album, items).await?;
        }
        5 => {
            let _ = store.plan_part(album, items).await?;
        }
        6 => {
            let _ = store.journal(new_call(input), now).await?;
        }
        7 => {
            let _ = store.unanswered().await?;
        }
        8 => {
            let _ = store.has_token_older_than(call, now).await?;
        }
        _ => store.repeated(call, now).await?,
    }
    Ok(())
}

/// What was answered, and what is asked afterwards.
pub(super) async fn of_answers(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (call, item, album) = (
        CallId(input.row()),
        ItemId(input.row()),
        AlbumRow(input.row()),
    );
    let items = vec![item, ItemId(input.row())];
    match verb {
        0 => {
            let outcomes = vec![outcome(input), outcome(input)];
            let call = settled(call, input);
            let verify_after = (input.byte() % 2 == 1).then(|| input.number());
            store
                .items_answered(call, album, 200, outcomes, verify_after, now)
                .await?;
        }
        1 => {
            let outcomes = vec![outcome(input)];
            let call = settled(call, input);
            store
                .items_refused(call, album, Some(400), input.text(), outcomes, now)
                .await?;
        }
        2 => {
            let outcome = outcome(input).outcome;
            store
                .culprit(item, album, outcome, input.text(), now)
                .await?;
        }
        3 => {
            store
                .description_answered(call, item, input.text(), 200, now)
                .await?;
        }
        4 => {
            let (reason, not_before) = (input.text(), time(input));
            store
                .description_refused(call, item, reason, not_before, Some(3), now)
                .await?;
        }
        5 => {
            let error = (input.byte() % 2 == 1).then(|| (input.text(), time(input)));
            store
                .additions_answered(call, album, error, Some(3), now)
                .await?;
        }
        6 => {
            let neighbour = MediaItemId::new(["m5", "m6"][usize::from(input.byte() % 2)]);
            store.place_refused(call, album, neighbour, 9).await?;
        }
        7 => {
            let error = (input.byte() % 2 == 1).then(|| input.text());
            store.removals_answered(call, album, error, now).await?;
        }
        8 => store.left_already(album, items).await?,
        9 => store.cannot_leave(album, items, input.text()).await?,
        10 => {
            let words = input.text();
            let call = settled(call, input);
            store
                .items_refused(call, album, None, words, Vec::new(), now)
                .await?;
        }
        11 => {
            let standing = vec![MediaItemId::new("m5"), MediaItemId::new(input.text())];
            store.album_read(album, standing).await?;
        }
        12 => {
            let _ = store.to_verify(usize::from(input.byte()), now).await?;
        }
        13 => {
            let _ = store.next_to_verify().await?;
        }
        14 => {
            let _ = store.created_after(item, 9).await?;
        }
        _ => {
            let verdict = match input.byte() % 4 {
                0 => Verdict::There { question: 0 },
                1 => Verdict::AskAgain(Duration::from_secs(input.number() as u64)),
                2 => Verdict::Unplayable(input.text()),
                _ => Verdict::Gone,
            };
            store.verdicts(vec![(item, verdict)], now).await?;
        }
    }
    Ok(())
}
