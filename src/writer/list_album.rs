//! How an album stands, as the service lists it: `mediaItems.search` by album, page by page.
//!
//! Asked only where nobody else can tell: after a call whose answer was lost and that could not be
//! repeated whole, and when an item will not leave. Pages may be short, empty, and overlap.

use std::collections::HashSet;

use super::{Turn, Writer};
use crate::{
    clock,
    context::{Result, account, backoff},
    model::ids::{AlbumId, AlbumRow, MediaItemId},
    photos_api::{Call, Kind, wire::MediaItemsPage},
};

/// Pages that are read at most: an album holds 20,000 items, a page a hundred, and some are short.
const PAGES: usize = 1000;

impl Writer {
    /// Reads an album whose order is in doubt, before more is placed in it.
    pub(super) async fn read(&mut self, album: AlbumRow, album_id: &AlbumId) -> Result<Turn> {
        if let Some(standing) = self.standing(album, album_id).await? {
            tracing::info!(
                album.row = album.0,
                n_items = standing.len(),
                "read how an album stands after a lost answer"
            );
            self.context.store.album_read(album, standing).await?;
        }
        Ok(Turn::Again)
    }

    /// All media items of an album in its order; none if the service would not tell now.
    pub(super) async fn standing(
        &mut self,
        album: AlbumRow,
        album_id: &AlbumId,
    ) -> Result<Option<Vec<MediaItemId>>> {
        let (mut standing, mut seen) = (Vec::new(), HashSet::new());
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let call = Call::media_items_search(album_id, &page_token);
            let page = self.ask(&call).await?;
            let page = match page.and_then(|answer| answer.parse::<MediaItemsPage>()) {
                Ok(page) => page,
                Err(error) => {
                    let words = account::error_chain(&error);
                    match error.kind() {
                        Kind::AlbumRefused | Kind::NotFound | Kind::BadRequest => {
                            self.inspect_album(album, &words).await?;
                        }
                        kind => {
                            self.trouble(&error).await?;
                            if kind.concerns_call() {
                                self.cannot_be_read(album, words).await?;
                            }
                        }
                    }
                    return Ok(None);
                }
            };
            let new = page.media_items.into_iter().map(|item| item.id);
            standing.extend(new.filter(|id| seen.insert(id.clone())));
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        if self.unreadable.remove(&album).is_some() {
            self.context.store.album_present(album).await?;
        }
        Ok(Some(standing))
    }

    /// The service fails at this album. The others go on as soon as the lane does, and this one waits
    /// for longer each time.
    async fn cannot_be_read(&mut self, album: AlbumRow, words: String) -> Result<()> {
        let failures = self.unreadable.entry(album).or_default();
        let wait = backoff::after_trouble(&self.context.config.retry, *failures, fastrand::f64());
        *failures = failures.saturating_add(1);
        let now = self.context.clock.now();
        let goes_on = self.stopped.as_ref().map_or(now, |(wait, _)| wait.until);
        let until = clock::after(goes_on.max(now), wait);
        self.context.store.album_waits(album, until, words).await?;
        Ok(())
    }
}
