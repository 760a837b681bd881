//! Every verb of the store, with rows that may be there.

use std::{path::PathBuf, time::Duration};

use albumen::{
    album::{
        order::OrderKey,
        plan::{Patience, Position},
    },
    clock,
    ids::{
        AlbumId, AlbumRow, CallId, ContentHash, FileId, ItemId, MediaItemId, OrderId, RootId,
        SessionUrl, UploadToken,
    },
    store::{
        AccountState, CallKind, Change, Content, Fate, FileStat, ItemOutcome, LaneState, NewCall,
        NewOrder, Outcome, Pause, PlanRules, Result, RootSpec, Sending, Session, Store, Transfer,
        Verdict, Words,
    },
};
use jiff::Timestamp;

use super::{Bytes, looks::NOW};

/// How many verbs there are.
pub(super) const COUNT: u8 = 78;

/// Runs one; what it gives is dropped, that it ends is what counts.
pub(super) async fn run(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let verb = verb % COUNT;
    match verb {
        0..26 => of_files(store, verb, input).await,
        26..52 => of_calls(store, verb - 26, input).await,
        _ => of_the_rest(store, verb - 52, input).await,
    }
}

/// Now, or long before or after.
fn time(input: &mut Bytes) -> Timestamp {
    match input.byte() {
        0xff => clock::from_millis(input.number()),
        byte => clock::from_millis(NOW + i64::from(byte) * 3_600_000),
    }
}

fn stat(input: &mut Bytes) -> FileStat {
    let extreme = input.byte() == 0xff;
    FileStat {
        size: if extreme {
            u64::MAX
        } else {
            1 + u64::from(input.byte())
        },
        mtime_ns: input.number(),
        ctime_ns: 1,
        dev: if extreme { u64::MAX } else { 1 },
        inode: u64::from(input.byte()),
    }
}

fn words(input: &mut Bytes) -> Words {
    Words {
        sidecars: input.number(),
        text: (input.byte() % 2 == 1).then(|| input.text()),
    }
}

fn fate(input: &mut Bytes) -> Fate {
    match input.byte() % 4 {
        0 => Fate::Settle {
            due_at: time(input),
            settle_ms: input.number() as u64,
        },
        1 => Fate::Queue {
            album: (input.byte() % 2 == 1).then(|| input.text()),
            key: OrderKey::new(Some(time(input)), b"n.jpg", std::path::Path::new("n.jpg")),
            large: input.byte() % 2 == 1,
            fresh: input.byte() % 2 == 1,
        },
        2 => Fate::Refuse {
            kind: "other_kind",
            reason: input.text(),
        },
        _ => Fate::KeepAsIs,
    }
}

fn root_spec(input: &mut Bytes) -> RootSpec {
    RootSpec {
        path: PathBuf::from(["/a", "/b", "/c"][usize::from(input.byte() % 3)]),
        configured: input.byte() % 2 == 1,
        rule: input.text(),
        removes: input.byte() % 2 == 1,
    }
}

fn change(input: &mut Bytes) -> Change {
    let file = FileId(input.row());
    match input.byte() % 5 {
        0 => Change::Found {
            root: RootId(input.row()),
            dir: PathBuf::from("d"),
            name: input.text().into(),
            stat: stat(input),
            fate: fate(input),
        },
        1 => Change::Altered {
            file,
            stat: stat(input),
            fate: fate(input),
        },
        2 => Change::Missed {
            file,
            finally: input.byte() % 2 == 1,
        },
        3 => Change::Back(file),
        _ => Change::Described {
            file,
            words: words(input),
        },
    }
}

/// Folders, scans, claims, uploads.
async fn of_files(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (file, item, root) = (
        FileId(input.row()),
        ItemId(input.row()),
        RootId(input.row()),
    );
    match verb {
        0 => {
            let _ = store
                .roots(vec![root_spec(input), root_spec(input)])
                .await?;
        }
        1 => {
            let _ = store.another_root(root_spec(input)).await?;
        }
        2 => store.rule_applied(root, input.text()).await?,
        3 => store.root_opened(root, input.byte() % 2 == 1, now).await?,
        4 => store.root_away(root).await?,
        5 => store.recover(now).await?,
        6 => {
            store
                .record(vec![change(input), change(input)], now)
                .await?
        }
        7 => {
            let _ = store
                .claim(usize::from(input.byte()), input.byte() % 2 == 1, now)
                .await?;
        }
        8 => {
            let _ = store.next_claim(now).await?;
        }
        9 => {
            let _ = store.has_claimable(now).await?;
        }
        10 => {
            let content = Content {
                hash: ContentHash([input.byte(); 32]),
                size: 1 + u64::from(input.byte()),
                mime: "image/jpeg",
                file_name: input.text(),
                words: (input.byte() % 2 == 1).then(|| words(input)),
            };
            let _ = store.hashed(file, content, now).await?;
        }
        11 => {
            let session = Session {
                url: SessionUrl::new(input.text()),
                granularity: u64::from(input.byte()),
                offset: input.number() as u64,
                stat: stat(input),
                opened_at: now,
            };
            store.session_opened(item, session).await?;
        }
        12 => store.session_at(item, input.number() as u64).await?,
        13 => store.session_dropped(item).await?,
        14 => {
            let token = UploadToken::new(input.text());
            store
                .token_received(item, token, input.number() as u64, now)
                .await?;
        }
        15 => {
            let blamed = (input.byte() % 2 == 1).then(|| (input.text(), 3));
            store
                .upload_again(file, item, time(input), blamed, now)
                .await?;
        }
        16 => store.upload_given_up(item, input.text(), now).await?,
        17 => store.unclaim(file, time(input), now).await?,
        18 => {
            store
                .unreadable(file, input.text(), time(input), 3, now)
                .await?
        }
        19 => store.refused(file, "text", input.text(), now).await?,
        20 => {
            let (stat, due_at) = (stat(input), time(input));
            let settle_ms = input.number() as u64;
            store
                .changed_while_sent(file, Some(item), stat, due_at, settle_ms, now)
                .await?;
        }
        21 => store.vanished(file, Some(item), now).await?,
        22 => {
            let transfer = Transfer {
                path: PathBuf::from(input.text()),
                sent: input.number() as u64,
                size: 1,
            };
            let rate = (input.byte() % 2 == 1).then(|| f64::from_bits(input.number() as u64));
            store.transfers_are(vec![(file, transfer)], rate).await?;
        }
        23 => {
            let _ = store.next_settled().await?;
        }
        24 => {
            let _ = store.is_drained().await?;
        }
        _ => {
            let _ = store.retry(vec![input.text().into_bytes()], now).await?;
        }
    }
    Ok(())
}

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
            2 => Outcome::FreshBytes {
                not_before: time(input),
                blamed,
            },
            3 => Outcome::Alone,
            _ => Outcome::Refused,
        },
        code: Some(input.number() as i32),
        message: Some(input.text()),
        reason: None,
    }
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

/// Planning, calls and their answers.
async fn of_calls(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
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
                patience: Patience {
                    max_wait: Duration::from_secs(u64::from(input.byte())),
                    drains: input.byte() % 2 == 1,
                    hurried: input.byte() % 2 == 1,
                },
                ready_tokens: u64::from(input.byte()),
                resumable_above: 16_000_000,
                order_calls_left: u64::from(input.byte()),
                scanning: input.byte() % 2 == 1,
                backfill_turn: input.byte() % 2 == 1,
                fresh_only: input.byte() % 2 == 1,
                quiet: (input.byte() % 2 == 1).then(|| Duration::from_secs(60)),
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
        9 => store.repeated(call, now).await?,
        10 => {
            let outcomes = vec![outcome(input), outcome(input)];
            let verify_after = (input.byte() % 2 == 1).then(|| input.number());
            store
                .items_answered(call, album, 200, outcomes, verify_after, now)
                .await?;
        }
        11 => {
            let outcomes = vec![outcome(input)];
            store
                .items_refused(call, album, Some(400), input.text(), outcomes, now)
                .await?;
        }
        12 => {
            let (token, not_before) = (input.byte() % 2 == 1, time(input));
            let blamed = (input.byte() % 2 == 1).then_some(2);
            store
                .culprit(item, album, token, not_before, blamed, input.text(), now)
                .await?;
        }
        13 => {
            store
                .description_answered(call, item, input.text(), 200, now)
                .await?
        }
        14 => {
            let (reason, not_before) = (input.text(), time(input));
            store
                .description_refused(call, item, reason, not_before, Some(3), now)
                .await?;
        }
        15 => {
            let error = (input.byte() % 2 == 1).then(|| (input.text(), time(input)));
            store.additions_answered(call, album, error, 3, now).await?;
        }
        16 => store.append_instead(album, items).await?,
        17 => {
            let error = (input.byte() % 2 == 1).then(|| input.text());
            store.removals_answered(call, album, error, now).await?;
        }
        18 => store.left_already(album, items).await?,
        19 => store.cannot_leave(album, items, input.text()).await?,
        20 => {
            let most = (input.byte() % 2 == 1).then(|| input.number() as u64);
            store.album_in_doubt(album, most).await?;
        }
        21 => {
            let standing = vec![MediaItemId::new("m5"), MediaItemId::new(input.text())];
            store.album_read(album, standing).await?;
        }
        22 => {
            let _ = store.to_verify(usize::from(input.byte()), now).await?;
        }
        23 => {
            let _ = store.next_to_verify().await?;
        }
        24 => {
            let _ = store.created_after(item, 9).await?;
        }
        _ => {
            let verdict = match input.byte() % 4 {
                0 => Verdict::There,
                1 => Verdict::AskAgain(Duration::from_secs(input.number() as u64)),
                2 => Verdict::Unplayable(input.text()),
                _ => Verdict::Gone,
            };
            store.verdicts(vec![(item, verdict)], now).await?;
        }
    }
    Ok(())
}

/// Albums, the account, the day, orders.
async fn of_the_rest(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (call, album, order) = (
        CallId(input.row()),
        AlbumRow(input.row()),
        OrderId(input.row()),
    );
    let id = AlbumId::new("x1");
    match verb {
        0 => store.album_stands(album, id, None, now).await?,
        1 => store.album_not_listed(album, time(input)).await?,
        2 => store.album_waits(album, time(input), input.text()).await?,
        3 => {
            let _ = store.album_id(album).await?;
        }
        4 => {
            let _ = store.album_ids().await?;
        }
        5 => {
            let _ = store.album_absent(album, now).await?;
        }
        6 => store.album_present(album).await?,
        7 => store.album_lost(album).await?,
        8 => {
            store
                .album_created(call, album, id, Some(input.text()), now)
                .await?
        }
        9 => {
            let (open, not_before) = (input.byte() % 2 == 1, time(input));
            store
                .album_not_created(call, album, open, not_before, input.text(), now)
                .await?;
        }
        10 => {
            let _ = store.account().await?;
        }
        11 => {
            store
                .account_is(Pause::plain(AccountState::StorageFull), now)
                .await?
        }
        12 => {
            let _ = store.lane().await?;
        }
        13 => store.lane_is(Pause::plain(LaneState::Waiting), now).await?,
        14 => store.lane_refusals(input.number() as u32).await?,
        15 => {
            let _ = store.meta("written_by").await?;
        }
        16 => store.meta_is("written_by", input.text()).await?,
        17 => {
            store
                .process_is("daemon", input.number() as u32, now)
                .await?
        }
        18 => {
            let _ = store.release_held(now).await?;
        }
        19 => store.take_out(vec![(ItemId(input.row()), album)]).await?,
        20 => {
            let _ = store.anything_leaving().await?;
        }
        21 => {
            let sending = [Sending::Request, Sending::OrderCall, Sending::Upload];
            let _ = store
                .about_to_send(sending[usize::from(input.byte() % 3)], now)
                .await?;
            let _ = store.ledger(now).await?;
        }
        22 => {
            let paths = vec![input.text().into_bytes()];
            let _ = store.leave_order(NewOrder::Retry { paths }, now).await?;
        }
        23 => {
            let _ = store.begin_order(order, now).await?;
        }
        24 => store.order_done(order, 0, input.text(), now).await?,
        _ => {
            store.forget_orders(now).await?;
            let _ = store.lane_has_work().await?;
        }
    }
    Ok(())
}
