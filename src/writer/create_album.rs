//! Ids of albums: found in the store, in the service's own list, or made by `albums.create`.
//!
//! The service allows two albums of one title, and the API cannot delete albums. So an album is made once:
//! before the first one the service's list is read for albums that an earlier database made; the intention is
//! written first; an unanswered creation is decided by the list, which is read twice with a wait between; and
//! a list that cannot be read never means "not found".

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;

use super::{
    send::{Recorded, new_call},
    task::{Turn, Writer, waiting},
};
use crate::{
    clock,
    context::{Result, account::error_chain},
    escape::Escaped,
    model::{
        album_title,
        batch_plan::MAX_BATCH,
        call::{CallKind, Fault},
        ids::AlbumRow,
    },
    photos_api::{
        Answer, Call, Error, Kind,
        wire::{Album, AlbumsPage},
    },
    store::{ALBUM_LIMIT, AlbumTask, Before, Journalled, RemoteAlbum},
};

/// How long a new album may answer 404, and how far apart two 404s of an older one must be to mean that it was
/// deleted, as a multiple of `rate_limit_base`: ten minutes by default.
const NEW: u32 = 20;

/// How long after an unanswered creation the list is read, as a multiple of `rate_limit_base`: a minute by
/// default. It is read once more when a new album must be in it: lists are late too, and a second album cannot
/// be deleted.
const LIST_AFTER: u32 = 2;

/// The most pages of the list: at 50 albums a page far more than anybody has.
const MAX_PAGES: usize = 2000;

impl Writer {
    fn base(&self, times: u32) -> Duration {
        self.retry().rate_limit_base * times
    }

    /// Finds out the id of an album, one step at a time.
    pub(super) async fn find_or_create_album(&mut self, task: AlbumTask) -> Result<Turn> {
        match (task.asked_at, &task.before) {
            (Some(_), _) => return self.look_for_album(task).await,
            (None, Before::Unknown) => self.list_albums().await?,
            (None, Before::Nothing) => self.create_album(&task).await?,
            (None, Before::Album(album_id, url)) => {
                let (album_id, url, now) = (album_id.clone(), url.clone(), self.now());
                self.store()
                    .album_found(task.row, album_id, url, now)
                    .await?;
                let title = Escaped::text(&task.title);
                tracing::info!(album.row = task.row.0, "album found: {title}");
            }
        }
        Ok(Turn::Again)
    }

    /// Reads the service's list of albums before this database makes its first one: a lost database may have
    /// made them all.
    async fn list_albums(&mut self) -> Result<()> {
        let mut list = Vec::new();
        let take = |page: AlbumsPage| {
            for album in page.albums {
                let items = album.items();
                if let Some(title) = album_title::clean(&album.title) {
                    list.push(RemoteAlbum {
                        title,
                        items,
                        product_url: product_url(album.product_url),
                        album_id: album.id,
                    });
                }
            }
            Some(page.next_page_token)
        };
        match self.read_pages(MAX_PAGES, Call::albums_list, take).await? {
            Ok(()) => Ok(self.store().albums_listed(list, self.now()).await?),
            Err(error) => self.pause_for(&error).await,
        }
    }

    async fn create_album(&mut self, task: &AlbumTask) -> Result<()> {
        let request = Call::album_create(&task.title);
        self.perform(new_call(
            CallKind::CreateAlbum,
            task.row,
            request,
            Vec::new(),
        ))
        .await?;
        Ok(())
    }

    pub(super) async fn album_created(&mut self, call: &Journalled, answer: &Answer) -> Recorded {
        let album: Album = match answer.parse() {
            Ok(album) => album,
            Err(error) => return Ok(Err(error)),
        };
        let (url, now) = (product_url(album.product_url), self.now());
        self.store()
            .album_created(call.id, call.album, album.id, url, now)
            .await?;
        let title = Escaped::text(&album.title);
        tracing::info!(album.row = call.album.0, "album made: {title}");
        Ok(Ok(()))
    }

    pub(super) async fn album_not_created(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &Error,
    ) -> Result<()> {
        let (now, mut words) = (self.now(), error_chain(error));
        let is_unknown = fault.outcome_is_unknown();
        let until = if is_unknown {
            words = format!("whether the album was made is not known yet: {words}");
            clock::after(call.sent_at.min(now), self.base(LIST_AFTER))
        } else if matches!(fault, Fault::Request | Fault::Album) {
            clock::after(now, self.retry().before_storage_probe())
        } else {
            now
        };
        self.store()
            .album_not_created(call.id, call.album, is_unknown, until, words, now)
            .await?;
        self.pause_for(error).await
    }

    /// Looks in the service's list for an album whose creation has no known outcome.
    async fn look_for_album(&mut self, task: AlbumTask) -> Result<Turn> {
        let ours: HashSet<String> = self.store().album_ids().await?;
        let mut found = None;
        let take = |page: AlbumsPage| {
            found = page.albums.into_iter().find(|album| {
                !ours.contains(album.id.as_str())
                    && album_title::clean(&album.title).as_deref() == Some(&task.title)
            });
            found.is_none().then_some(page.next_page_token)
        };
        let read = self.read_pages(MAX_PAGES, Call::albums_list, take).await?;
        if let Err(error) = read {
            self.pause_for(&error).await?;
            return Ok(Turn::Again);
        }
        let now = self.now();
        if let Some(album) = found {
            let url = product_url(album.product_url);
            self.store()
                .album_stands(task.row, album.id, url, now)
                .await?;
        } else if task.looked == 0 {
            let asked_at = task.asked_at.unwrap_or(now).min(now);
            let again = clock::after(now, self.base(LIST_AFTER))
                .max(clock::after(asked_at, self.base(NEW + LIST_AFTER)));
            self.store().album_not_listed(task.row, again).await?;
            let reason = "looks whether an album was made";
            return Ok(Turn::Rest(Some(now), waiting(reason, Some(again))));
        } else {
            self.create_album(&task).await?;
        }
        Ok(Turn::Again)
    }

    /// The service refused an album: it may be new, deleted, or not usable by us.
    pub(super) async fn inspect_album(&mut self, album: AlbumRow, words: &str) -> Result<()> {
        let now = self.now();
        let Some((_, made_at)) = self.store().album_id(album).await? else {
            return Ok(());
        };
        let new_until = |made_at| clock::after(made_at, self.base(NEW));
        if let Some(made_at) = made_at.filter(|at| *at <= now && now < new_until(*at)) {
            // The longer the album is not found, the rarer it is looked for: some fifteen times in all.
            let wait = self.retry().after_server_error(1, fastrand::f64());
            let wait = wait.max(clock::until(made_at, now) / 2);
            let reason = "it was just made and the service does not see it yet";
            return self
                .postpone_album(album, clock::after(now, wait), reason)
                .await;
        }
        if self.is_album_usable(album, words).await? {
            let later = clock::after(now, self.retry().before_storage_probe());
            self.postpone_album(album, later, words).await?;
        }
        Ok(())
    }

    async fn postpone_album(&self, album: AlbumRow, until: Timestamp, reason: &str) -> Result<()> {
        Ok(self
            .store()
            .album_waits(album, until, reason.to_owned())
            .await?)
    }

    /// The service says that the album is full: it goes on as "Title (2)".
    pub(super) async fn album_is_full(&mut self, album: AlbumRow, words: &str) -> Result<()> {
        if self.store().album_full(album).await? {
            tracing::info!(
                album.row = album.0,
                "an album is full; it goes on as another one"
            );
            return Ok(());
        }
        self.inspect_album(album, words).await
    }

    /// Asks for the album after a refusal that may be its own. False if it is not found, or cannot be asked for
    /// now: then nothing is sent to it for a while. The second "not found", ten minutes after the first, makes
    /// it again. False, too, if it is so full that a batch may have been too much: then its next part is used.
    pub(super) async fn is_album_usable(&mut self, album: AlbumRow, words: &str) -> Result<bool> {
        let Some((album_id, _)) = self.store().album_id(album).await? else {
            return Ok(false);
        };
        match self.read(&Call::album_get(&album_id)).await? {
            Ok(answer) => {
                self.store().album_present(album).await?;
                let found = answer.parse::<Album>().ok();
                let n_items = found.and_then(|found| found.media_items_count.parse::<u64>().ok());
                let is_full = n_items.is_some_and(|n| n + MAX_BATCH as u64 > ALBUM_LIMIT);
                Ok(!(is_full && self.store().album_full(album).await?))
            }
            Err(error) => {
                if matches!(error.kind(), Kind::AlbumRefused | Kind::NotFound) {
                    self.album_not_found(album, words).await?;
                } else {
                    self.pause_for(&error).await?;
                }
                Ok(false)
            }
        }
    }

    async fn album_not_found(&mut self, album: AlbumRow, words: &str) -> Result<()> {
        let now = self.now();
        let first = self.store().album_absent(album, now).await?;
        let sure_at = clock::after(first, self.base(NEW));
        let row = album.0;
        // A first time in the future is from before the clock was set back.
        if now >= sure_at || first > now {
            tracing::warn!(
                album.row = row,
                "an album was deleted in Google Photos; it is made again"
            );
            return Ok(self.store().album_lost(album).await?);
        }
        tracing::info!(album.row = row, "an album may have been deleted: {words}");
        let reason = "it may have been deleted in Google Photos; it is asked for once more before it is \
                      made again";
        self.postpone_album(album, sure_at, reason).await
    }
}

fn product_url(url: String) -> Option<String> {
    Some(url).filter(|url| !url.is_empty())
}
