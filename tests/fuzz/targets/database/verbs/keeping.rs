//! What keeps a database true to the world: `rebuild`, files that Albumen lets go, another client, a
//! clock that was set back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use albumen::{
    model::{
        ids::{
            ActId, AlbumId, AlbumRow, CallId, ContentHash, DirId, FileId, ItemId, MediaItemId,
            RootId,
        },
        order_key::OrderKey,
    },
    store::{AccountState, Act, Content, ListedAlbum, Pause, RecoveredItem, Result, Source, Store},
};

use super::{Bytes, stat, time, words};

fn source(input: &mut Bytes) -> Source {
    Source {
        file: FileId(input.row()),
        item: ItemId(input.row()),
        root: PathBuf::from("/a"),
        dir: PathBuf::from("d"),
        name: input.text().into(),
        stat: stat(input),
        hash: ContentHash([input.byte(); 32]),
    }
}

/// Files that are moved or deleted once they are safe.
pub(super) async fn of_acts(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (act, file) = (ActId(input.row()), FileId(input.row()));
    match verb {
        0 => {
            let roots = ["/a", "/b", "/c"][..usize::from(input.byte() % 4)].iter();
            store.roots_act(roots.map(PathBuf::from).collect()).await?;
        }
        1 => {
            let grace = Duration::from_secs(input.number() as u64);
            let waiting = store.unrequested(usize::from(input.byte())).await?;
            let waiting = waiting.into_iter().map(|source| source.file).collect();
            match input.byte() % 4 {
                0 => store.sources_rest(waiting).await?,
                1 => store.reset_verification().await?,
                _ => store.arrange_read_back(waiting, grace, now).await?,
            }
        }
        2 => {
            let _ = store.next_source().await?;
        }
        3 => store.source_waits(file, now).await?,
        4 => store.source_stays(file, input.text()).await?,
        5 => {
            let done = match input.byte() % 2 {
                0 => Act::Delete,
                _ => Act::Move(PathBuf::from(input.text())),
            };
            // What the store itself says is due, and what only looks like it.
            let mut acts = vec![(source(input), done.clone())];
            for (source, _) in store.sources(9, now).await?.unwrap_or_default() {
                let _ = source.path();
                acts.push((source, done.clone()));
            }
            let _ = store.intend(acts, now).await?;
        }
        6 => store.acted(act, file, now).await?,
        7 => {
            let again = (input.byte() % 2 == 1).then(|| time(input));
            store.not_acted(act, file, input.text(), again).await?;
        }
        8 => {
            let _ = store.open_acts().await?;
            let _ = store.open_acts().await?;
        }
        _ => {
            let n = usize::from(input.byte());
            let _ = store.to_verify_for_files(n, now).await?;
            let _ = store.next_to_verify_for_files().await?;
        }
    }
    Ok(())
}

fn found_again(input: &mut Bytes) -> RecoveredItem {
    let maybe = |input: &mut Bytes| (input.byte() % 2 == 1).then(|| input.text());
    RecoveredItem {
        root: RootId(input.row()),
        dir: PathBuf::from("d"),
        name: input.text().into(),
        file: (input.byte() % 2 == 1).then(|| FileId(input.row())),
        stat: stat(input),
        title: maybe(input),
        listed_in: (input.byte() % 2 == 1).then(|| AlbumRow(input.row())),
        key: OrderKey::new(Some(time(input)), b"n.jpg", Path::new("n.jpg")),
        large: input.byte() % 2 == 1,
        content: Content {
            hash: ContentHash([input.byte(); 32]),
            size: 1 + u64::from(input.byte()),
            mime: "image/jpeg",
            file_name: input.text(),
            words: (input.byte() % 2 == 1).then(|| words(input)),
        },
        media_item_id: MediaItemId::new(["m5", "m6", "m9"][usize::from(input.byte() % 3)]),
        product_url: maybe(input),
        described: maybe(input),
        is_known: input.byte() % 2 == 1,
    }
}

/// What `rebuild` finds, what another client leaves, and waits that are shortened.
pub(super) async fn of_recovery(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (call, item, album) = (
        CallId(input.row()),
        ItemId(input.row()),
        AlbumRow(input.row()),
    );
    let items = vec![item, ItemId(input.row())];
    match verb {
        0 => {
            let listed = |input: &mut Bytes| ListedAlbum {
                title: input.text(),
                part: u32::from(input.byte()) << 24,
                album_id: AlbumId::new(["x1", "x3", "x4"][usize::from(input.byte() % 3)]),
                product_url: None,
            };
            let listed = vec![listed(input), listed(input)];
            let _ = store.albums_taken_over(listed, false, now).await?;
        }
        1 => {
            let verify_after = (input.byte() % 2 == 1).then(|| input.number());
            let found = vec![found_again(input), found_again(input)];
            let _ = store.found_again(found, verify_after, now).await?;
        }
        2 => {
            let _ = store.keys_in(album, items).await?;
        }
        3 => {
            let standing = items.into_iter().map(|item| (item, item.0 % 2 == 0));
            store.stand_in(album, standing.collect()).await?;
        }
        4 => {
            let _ = store.client_id().await?;
            store.set_published().await?;
        }
        5 => store.set_client_id(input.text()).await?,
        6 => store.client_replaced(input.text(), now).await?,
        7 => {
            let longest = Duration::from_secs(input.number() as u64);
            let asked = Duration::from_secs(input.number() as u64);
            let _ = store.shorten_waits(longest, longest, asked, now).await?;
        }
        8 => store.call_in_doubt(call, album).await?,
        9 => {
            let _ = store.album_full(album).await?;
        }
        10 => {
            let _ = store.refused_for_rate_at().await?;
        }
        11 => {
            let hint = (input.byte() % 2 == 1).then(|| input.text());
            let pause = Pause::plain(AccountState::LoginNeeded);
            store.account_needs(pause, hint, now).await?;
        }
        12 => {
            let _ = store.paths_of(items).await?;
        }
        13 => {
            let _ = store.known_missing(usize::from(input.byte())).await?;
            let _ = store.created_count().await?;
        }
        14 => store.look_after().await?,
        _ => {
            let _ = store.reader()?.known_in(DirId(input.row()))?;
        }
    }
    Ok(())
}
