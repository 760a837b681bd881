//! Ids of albums: found in the store, in the service's own list, or made.
//!
//! Titles need not be unique for the service, and albums cannot be deleted through it. So an album
//! is made once: before the first one the service's list is read for what an earlier database may have
//! made, the intention is written first, an unanswered creation is settled by the list, asked twice
//! with a wait between, and a list that cannot be had is never "not found".

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;

use super::{Turn, Writer, waiting};
use crate::{
    clock,
    context::{Result, account, backoff},
    escape::Escaped,
    model::{
        album_title,
        batch_plan::MAX_BATCH,
        ids::{AlbumId, AlbumRow},
    },
    photos_api::{
        self, Call, Kind,
        wire::{Album, AlbumsPage},
    },
    store::{ALBUM_LIMIT, AlbumTask, Before, CallKind, Journalled, NewCall, RemoteAlbum},
};

/// How long an album that was just made may answer 404, and how far apart two 404s must be for an
/// older one to count as deleted, as a multiple of `rate_limit_base`: ten minutes by default.
const NEW: u32 = 20;

/// After an unanswered creation the list is asked so long later, as a multiple of `rate_limit_base`: a
/// minute by default. It is asked once more when an album that was made then must be in it: lists are
/// late, too, and there is no way to take a second album back.
const LIST_AFTER: u32 = 2;

/// Pages of the list that are read at most: at 50 albums a page, far more than anybody has.
const PAGES: usize = 2000;

impl Writer {
    fn base(&self) -> Duration {
        self.context.config.retry.rate_limit_base
    }

    /// Finds out the id of an album, one step at a time.
    pub(super) async fn resolve(&mut self, task: AlbumTask) -> Result<Turn> {
        match (task.asked_at, &task.before) {
            (Some(_), _) => self.look_for(task).await,
            (None, Before::Unknown) => self.list_albums().await,
            (None, Before::Nothing) => self.make(task).await,
            (None, Before::Album(album_id, url)) => {
                let (album_id, url) = (album_id.clone(), url.clone());
                let now = self.context.clock.now();
                self.context
                    .store
                    .album_found(task.row, album_id, url, now)
                    .await?;
                let title = Escaped::text(&task.title);
                tracing::info!(album.row = task.row.0, "album found: {title}");
                Ok(Turn::Again)
            }
        }
    }

    /// Reads the service's list of albums, before this database makes its first one: one that was lost
    /// may have made them all.
    async fn list_albums(&mut self) -> Result<Turn> {
        let mut list = Vec::new();
        let read = self.read_list(|album| {
            let items = album.items();
            if let Some(title) = album_title::clean(&album.title) {
                list.push(RemoteAlbum {
                    title,
                    items,
                    product_url: Some(album.product_url).filter(|url| !url.is_empty()),
                    album_id: album.id,
                });
            }
            false
        });
        match read.await? {
            Ok(()) => {
                let now = self.context.clock.now();
                self.context.store.albums_listed(list, now).await?;
            }
            Err(error) => self.trouble(&error).await?,
        }
        Ok(Turn::Again)
    }

    async fn make(&mut self, task: AlbumTask) -> Result<Turn> {
        let request = Call::album_create(&task.title);
        let call = NewCall {
            kind: CallKind::CreateAlbum,
            album: task.row,
            position: None,
            path: request.path,
            body: request.body,
            items: Vec::new(),
            for_order: false,
        };
        let Some((call, answered)) = self.perform(call).await? else {
            return Ok(Turn::Again);
        };
        let made = answered.and_then(|answer| answer.parse::<Album>());
        match made {
            Ok(album) => {
                let now = self.context.clock.now();
                let url = (!album.product_url.is_empty()).then_some(album.product_url);
                self.context
                    .store
                    .album_created(call.id, task.row, album.id, url, now)
                    .await?;
                let title = Escaped::text(&task.title);
                tracing::info!(album.row = task.row.0, "album made: {title}");
                Ok(Turn::Again)
            }
            Err(error) if error.kind().outcome_unknown() => {
                let turn = self
                    .album_outcome_open(&call, &account::error_chain(&error))
                    .await?;
                self.trouble(&error).await?;
                Ok(turn)
            }
            Err(error) => {
                let now = self.context.clock.now();
                let words = account::error_chain(&error);
                let own = matches!(
                    error.kind(),
                    Kind::BadRequest | Kind::AlbumRefused | Kind::Forbidden
                );
                let wait = if own {
                    backoff::until_probe(&self.context.config.retry)
                } else {
                    Duration::ZERO
                };
                self.context
                    .store
                    .album_not_created(
                        call.id,
                        task.row,
                        false,
                        clock::after(now, wait),
                        words,
                        now,
                    )
                    .await?;
                self.trouble(&error).await?;
                Ok(Turn::Again)
            }
        }
    }

    /// Nobody knows whether the album was made.
    pub(super) async fn album_outcome_open(
        &mut self,
        call: &Journalled,
        words: &str,
    ) -> Result<Turn> {
        let now = self.context.clock.now();
        let from = call.sent_at.min(now);
        let ask_at = clock::after(from, self.base() * LIST_AFTER);
        let words = format!("whether the album was made is not known yet: {words}");
        self.context
            .store
            .album_not_created(call.id, call.album, true, ask_at, words, now)
            .await?;
        Ok(Turn::Again)
    }

    /// Asks the service's own list for an album whose creation has no known outcome.
    async fn look_for(&mut self, task: AlbumTask) -> Result<Turn> {
        let found = match self.list_for(&task.title).await? {
            Ok(found) => found,
            Err(error) => {
                self.trouble(&error).await?;
                return Ok(Turn::Again);
            }
        };
        let now = self.context.clock.now();
        if let Some((album_id, url)) = found {
            self.context
                .store
                .album_stands(task.row, album_id, url, now)
                .await?;
            return Ok(Turn::Again);
        }
        if task.looked == 0 {
            let asked_at = task.asked_at.unwrap_or(now).min(now);
            let again = clock::after(now, self.base() * LIST_AFTER)
                .max(clock::after(asked_at, self.base() * (NEW + LIST_AFTER)));
            self.context.store.album_not_listed(task.row, again).await?;
            let reason = "looks whether an album was made";
            return Ok(Turn::Rest(Some(now), waiting(reason, Some(again))));
        }
        self.make(task).await
    }

    /// The album of this title that no other row of ours is, from the list of all albums.
    async fn list_for(
        &mut self,
        wanted: &str,
    ) -> Result<std::result::Result<Option<(AlbumId, Option<String>)>, photos_api::Error>> {
        let ours: HashSet<String> = self.context.store.album_ids().await?;
        let mut found = None;
        let read = self.read_list(|album| {
            let is_it = !ours.contains(album.id.as_str())
                && album_title::clean(&album.title).as_deref() == Some(wanted);
            if is_it {
                let url = Some(album.product_url).filter(|url| !url.is_empty());
                found = Some((album.id, url));
            }
            is_it
        });
        Ok(read.await?.map(|()| found))
    }

    /// Tells `seen` the albums of the service's list, to its end or until it gives true.
    async fn read_list(
        &mut self,
        mut seen: impl FnMut(Album) -> bool,
    ) -> Result<std::result::Result<(), photos_api::Error>> {
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let page = self.ask(&Call::albums_list(&page_token)).await?;
            let page = match page.and_then(|answer| answer.parse::<AlbumsPage>()) {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            if page.albums.into_iter().any(&mut seen) || page.next_page_token.is_empty() {
                return Ok(Ok(()));
            }
            page_token = page.next_page_token;
        }
        Ok(Err(photos_api::Error::new(
            Kind::Garbled,
            "the list of albums has no end",
        )))
    }

    /// The service refused an album: is it new, gone, or closed to us?
    pub(super) async fn inspect_album(&mut self, album: AlbumRow, words: &str) -> Result<()> {
        let now = self.context.clock.now();
        let Some((_, made_at)) = self.context.store.album_id(album).await? else {
            return Ok(());
        };
        let new = made_at.is_some_and(|made_at| {
            now < clock::after(made_at, self.base() * NEW) && made_at <= now
        });
        if new {
            // The longer it is not seen, the rarer it is looked for: some fifteen times in all.
            let age = made_at.map_or(Duration::ZERO, |made_at| clock::until(made_at, now));
            let wait = backoff::after_trouble(&self.context.config.retry, 1, fastrand::f64());
            let wait = wait.max(age / 2);
            let reason = "it was just made and the service does not see it yet".to_owned();
            self.context
                .store
                .album_waits(album, clock::after(now, wait), reason)
                .await?;
            return Ok(());
        }
        if self.album_is_there(album, words).await? {
            let later = clock::after(now, backoff::until_probe(&self.context.config.retry));
            self.context
                .store
                .album_waits(album, later, words.to_owned())
                .await?;
        }
        Ok(())
    }

    /// The service says that the album is full: it goes on as another one.
    pub(super) async fn album_full(&mut self, album: AlbumRow, words: &str) -> Result<()> {
        if self.context.store.album_full(album).await? {
            tracing::info!(
                album.row = album.0,
                "an album is full; it goes on as another one"
            );
            return Ok(());
        }
        self.inspect_album(album, words).await
    }

    /// Asks for the album after a refusal that may be its own. False if it is not there, or cannot be
    /// asked for now: then nothing goes to it for a while. The second "not there", ten minutes after
    /// the first, makes it anew. False, too, if it is so full that a batch may have been too much:
    /// then its next part is used.
    pub(super) async fn album_is_there(&mut self, album: AlbumRow, words: &str) -> Result<bool> {
        let Some((album_id, _)) = self.context.store.album_id(album).await? else {
            return Ok(false);
        };
        let answered = self.ask(&Call::album_get(&album_id)).await?;
        let now = self.context.clock.now();
        match answered {
            Ok(answer) => {
                self.context.store.album_present(album).await?;
                let there = answer.parse::<Album>().ok();
                let n_items = there.and_then(|there| there.media_items_count.parse::<u64>().ok());
                let is_full = n_items.is_some_and(|n| n + MAX_BATCH as u64 > ALBUM_LIMIT);
                Ok(!(is_full && self.context.store.album_full(album).await?))
            }
            Err(error) if matches!(error.kind(), Kind::AlbumRefused | Kind::NotFound) => {
                self.absent(album, words, now).await?;
                Ok(false)
            }
            Err(error) => {
                self.trouble(&error).await?;
                Ok(false)
            }
        }
    }

    async fn absent(&mut self, album: AlbumRow, words: &str, now: Timestamp) -> Result<()> {
        let first = self.context.store.album_absent(album, now).await?;
        let sure_at = clock::after(first, self.base() * NEW);
        if now >= sure_at || first > now {
            tracing::warn!(
                album.row = album.0,
                "an album was deleted in Google Photos; it is made again"
            );
            self.context.store.album_lost(album).await?;
        } else {
            tracing::info!(
                album.row = album.0,
                "an album may have been deleted: {words}"
            );
            let reason =
                "it may have been deleted in Google Photos; it is asked for once more before \
                          it is made again"
                    .to_owned();
            self.context
                .store
                .album_waits(album, sure_at, reason)
                .await?;
        }
        Ok(())
    }
}
