//! Folders, scans, claims, uploads.

use std::path::{Path, PathBuf};

use albumen::{
    model::{
        ids::{ContentHash, FileId, ItemId, RootId, SessionUrl, UploadToken},
        order_key::OrderKey,
    },
    store::{Change, Content, FileDecision, Result, RootSpec, Session, Store, Transfer},
};

use super::{Bytes, stat, time, words};

fn decision(input: &mut Bytes) -> FileDecision {
    match input.byte() % 4 {
        0 => FileDecision::Settle {
            due_at: time(input),
            settle_ms: input.number() as u64,
        },
        1 => FileDecision::Queue {
            album: (input.byte() % 2 == 1).then(|| input.text()),
            key: OrderKey::new(Some(time(input)), b"n.jpg", Path::new("n.jpg")),
            large: input.byte() % 2 == 1,
            fresh: input.byte() % 2 == 1,
        },
        2 => FileDecision::Refuse {
            kind: "other_kind",
            reason: input.text(),
        },
        _ => FileDecision::KeepAsIs,
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
    match input.byte() % 6 {
        0 => Change::Found {
            root: RootId(input.row()),
            dir: PathBuf::from("d"),
            name: input.text().into(),
            stat: stat(input),
            decision: decision(input),
        },
        1 => Change::Modified {
            file,
            stat: stat(input),
            decision: decision(input),
        },
        2 => Change::Missing {
            file,
            confirmed: input.byte() % 2 == 1,
        },
        3 => Change::Reappeared(file),
        4 => Change::Excluded(file),
        _ => Change::Described {
            file,
            words: words(input),
        },
    }
}

/// Folders, what scans found, claims.
pub(super) async fn of_folders(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let root = RootId(input.row());
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
                .await?;
        }
        7 => {
            let _ = store
                .claim(usize::from(input.byte()), input.byte() % 2 == 1, now)
                .await?;
        }
        8 => {
            let _ = store.next_claim(now).await?;
        }
        _ => {
            let _ = store.has_claimable(now).await?;
        }
    }
    Ok(())
}

/// Contents, sessions, tokens, and what goes wrong with a file.
pub(super) async fn of_uploads(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (file, item) = (FileId(input.row()), ItemId(input.row()));
    match verb {
        0 => {
            let content = Content {
                hash: ContentHash([input.byte(); 32]),
                size: 1 + u64::from(input.byte()),
                mime: "image/jpeg",
                file_name: input.text(),
                words: (input.byte() % 2 == 1).then(|| words(input)),
            };
            let _ = store.hashed(file, content, now).await?;
        }
        1 => {
            let session = Session {
                url: SessionUrl::new(input.text()),
                granularity: u64::from(input.byte()),
                offset: input.number() as u64,
                stat: stat(input),
                opened_at: now,
            };
            store.session_opened(item, session).await?;
        }
        2 => store.session_at(item, input.number() as u64).await?,
        3 => store.session_dropped(item).await?,
        4 => {
            let token = UploadToken::new(input.text());
            store
                .token_received(item, token, input.number() as u64, now)
                .await?;
        }
        5 => {
            let blamed = (input.byte() % 2 == 1).then(|| (input.text(), 3));
            store
                .upload_again(file, item, time(input), blamed, now)
                .await?;
        }
        6 => store.upload_given_up(item, input.text(), now).await?,
        7 => store.unclaim(file, time(input), now).await?,
        8 => {
            store
                .unreadable(file, input.text(), time(input), 3, now)
                .await?;
        }
        9 => store.refused(file, "text", input.text(), now).await?,
        10 => {
            let (stat, due_at) = (stat(input), time(input));
            let settle_ms = input.number() as u64;
            store
                .changed_while_sent(file, Some(item), stat, due_at, settle_ms, now)
                .await?;
        }
        11 => store.vanished(file, Some(item), now).await?,
        12 => {
            let transfer = Transfer {
                path: PathBuf::from(input.text()),
                sent: input.number() as u64,
                size: 1,
            };
            let rate = (input.byte() % 2 == 1).then(|| f64::from_bits(input.number() as u64));
            store.transfers_are(vec![(file, transfer)], rate).await?;
        }
        13 => {
            let _ = store.next_settled().await?;
        }
        14 => {
            let _ = store.is_drained().await?;
        }
        _ => {
            let _ = store.retry(vec![input.text().into_bytes()], now).await?;
        }
    }
    Ok(())
}
