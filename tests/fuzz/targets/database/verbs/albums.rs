//! Albums, the account, the day, orders.

use albumen::{
    model::ids::{AlbumId, AlbumRow, CallId, ItemId, OrderId},
    store::{AccountState, NewOrder, Pause, RemoteAlbum, Result, Sending, Store, WriterState},
};

use super::{Bytes, time};

/// Albums and their ids.
pub(super) async fn of_albums(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (call, album) = (CallId(input.row()), AlbumRow(input.row()));
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
                .await?;
        }
        _ => {
            let (open, not_before) = (input.byte() % 2 == 1, time(input));
            store
                .album_not_created(call, album, open, not_before, input.text(), now)
                .await?;
        }
    }
    Ok(())
}

/// Albums that stood at the service before.
pub(super) async fn of_the_list(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let album = AlbumRow(input.row());
    let album_id = AlbumId::new("x2");
    if verb == 0 {
        let listed = RemoteAlbum {
            album_id,
            title: input.text(),
            product_url: None,
            items: input.number() as u64,
        };
        return store.albums_listed(vec![listed], now).await;
    }
    store.album_found(album, album_id, None, now).await
}

/// The account, the lane, the day, orders.
pub(super) async fn of_the_account(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    let now = time(input);
    let (album, order) = (AlbumRow(input.row()), OrderId(input.row()));
    match verb {
        0 => {
            let _ = store.account().await?;
        }
        1 => {
            store
                .account_is(Pause::plain(AccountState::StorageFull), now)
                .await?;
        }
        2 => {
            let _ = store.lane().await?;
        }
        3 => {
            store
                .lane_is(Pause::plain(WriterState::Waiting), now)
                .await?;
        }
        4 => store.lane_refusals(u32::from(input.byte()) << 24).await?,
        5 => {
            let _ = store.meta("written_by").await?;
        }
        6 => store.meta_is("written_by", input.text()).await?,
        7 => {
            store
                .process_is("daemon", u32::from(input.byte()) << 24, now)
                .await?;
        }
        8 => {
            let _ = store.release_held(now).await?;
        }
        9 => {
            store
                .remove_by_user(vec![(ItemId(input.row()), album)])
                .await?;
        }
        10 => {
            let _ = store.anything_leaving().await?;
        }
        11 => {
            let sending = [Sending::Request, Sending::OrderCall, Sending::Upload];
            let _ = store
                .about_to_send(sending[usize::from(input.byte() % 3)], now)
                .await?;
            let _ = store.ledger(now).await?;
        }
        12 => {
            let paths = vec![input.text().into_bytes()];
            let _ = store.leave_order(NewOrder::Retry { paths }, now).await?;
        }
        13 => {
            let _ = store.begin_order(order, now).await?;
        }
        14 => store.order_done(order, 0, input.text(), now).await?,
        _ => {
            store.forget_orders(now).await?;
            let _ = store.lane_has_work().await?;
        }
    }
    Ok(())
}
