//! What the service says that this client made: `albums.list`, `mediaItems.list`, and each album by
//! `mediaItems.search`.
//!
//! Pages may be short, empty or overlap; only a missing page token ends a list (fact sheet, section
//! 4.1). Every request is counted before it is sent, and leaves the day's reserve alone. Trouble that
//! passes is waited for; the end of the day's requests, a missing sign-in and the like end the run.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;

use super::matching::Item;
use crate::{
    clock,
    context::{
        Context,
        account::{self, Permit},
        pause,
    },
    model::ids::{AlbumId, MediaItemId},
    photos_api::{
        self, Call, Kind,
        wire::{Album, AlbumsPage, MediaItem, MediaItemsPage},
    },
    store::{AccountState, Sending},
};

/// Failures in a row after which the run ends rather than wait any longer.
const PATIENCE: u32 = 8;

/// Pages that a list has at most: at 100 items a page, ten times as many items as anybody has.
const PAGES: usize = 1_000_000;

/// After so many items it is said how far the list is.
const TOLD_AT: usize = 5_000;

/// How the page of a media item begins; so long as it is followed by its id, it is not kept.
const PRODUCT_URL: &str = "https://photos.google.com/lr/photo/";

/// Why the service was not read to the end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The user stopped it.
    Interrupted,
    /// The requests of the day that are not kept for fresh files are used.
    DayIsSpent,
    /// The service refused.
    Refused(photos_api::Error),
    /// Something of ours broke.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// All media items that were listed, each once; compact, for there may be very many.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// What they are matched by.
    pub(super) items: Vec<Item>,
    ids: Vec<MediaItemId>,
    /// Their pages, where they are not the usual ones.
    pages: HashMap<usize, String>,
    /// Their descriptions, where they have any.
    told: HashMap<usize, String>,
    numbers: HashMap<Digest, usize>,
}

/// An id, shortened for a table that need not keep it twice.
type Digest = [u8; 16];

fn digest(id: &str) -> Digest {
    let mut digest = Digest::default();
    blake3::Hasher::new()
        .update(id.as_bytes())
        .finalize_xof()
        .fill(&mut digest);
    digest
}

impl Listed {
    /// The number of the item of this id.
    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.numbers.get(&digest(id)).copied()
    }

    /// Its id.
    pub(super) fn id(&self, number: usize) -> Option<&MediaItemId> {
        self.ids.get(number)
    }

    /// Where a browser finds it.
    pub(super) fn product_url(&self, number: usize) -> Option<String> {
        match self.pages.get(&number) {
            Some(url) => Some(url.clone()).filter(|url| !url.is_empty()),
            None => Some(format!("{PRODUCT_URL}{}", self.id(number)?)),
        }
    }

    /// What the service was told about it.
    pub(super) fn description(&self, number: usize) -> Option<String> {
        self.told.get(&number).cloned()
    }

    /// Adds an item unless it is known; gives its number.
    fn add(&mut self, item: MediaItem) -> usize {
        let number = self.items.len();
        match self.numbers.entry(digest(item.id.as_str())) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(place) => place.insert(number),
        };
        if item.product_url.strip_prefix(PRODUCT_URL) != Some(item.id.as_str()) {
            self.pages.insert(number, item.product_url);
        }
        if !item.description.is_empty() {
            self.told.insert(number, item.description);
        }
        let metadata = &item.media_metadata;
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| *side > 0);
        let taken: Option<Timestamp> = metadata.creation_time.parse().ok();
        self.items.push(Item {
            name: item.filename.into(),
            second: taken.map(second),
            pixels: side(&metadata.width).zip(side(&metadata.height)),
        });
        self.ids.push(item.id);
        number
    }
}

/// The second that an instant is in, since 1970.
pub(super) fn second(instant: Timestamp) -> i64 {
    let seconds = instant.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Reads lists of the service.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    context: &'a Context,
    backoff: pause::Backoff,
}

impl<'a> Lists<'a> {
    /// Reads by the client of `stage`.
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            backoff: pause::Backoff::default(),
        }
    }

    /// All albums, each once.
    pub(super) async fn albums(&mut self) -> Result<Vec<Album>, Stopped> {
        let mut albums: Vec<Album> = Vec::new();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let page: AlbumsPage = self.ask(&Call::albums_list(&page_token)).await?;
            for album in page.albums {
                if albums.iter().all(|known| known.id != album.id) {
                    albums.push(album);
                }
            }
            page_token = match next(&page_token, page.next_page_token)? {
                Some(token) => token,
                None => return Ok(albums),
            };
        }
        Err(endless())
    }

    /// All media items of the library.
    pub(super) async fn library(&mut self, listed: &mut Listed) -> Result<(), Stopped> {
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let page: MediaItemsPage = self.ask(&Call::media_items_list(&page_token)).await?;
            let before = listed.items.len();
            for item in page.media_items {
                listed.add(item);
            }
            if listed.items.len() / TOLD_AT > before / TOLD_AT {
                tracing::info!("{} media items are listed so far", listed.items.len());
            }
            page_token = match next(&page_token, page.next_page_token)? {
                Some(token) => token,
                None => return Ok(()),
            };
        }
        Err(endless())
    }

    /// The numbers of an album's items, in the album's order; none if the service does not know it.
    /// Items that the library's list has left out are added.
    pub(super) async fn members(
        &mut self,
        album: &AlbumId,
        listed: &mut Listed,
    ) -> Result<Option<Vec<usize>>, Stopped> {
        let mut members = Vec::new();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let call = Call::media_items_search(album, &page_token);
            let page: MediaItemsPage = match self.ask(&call).await {
                Ok(page) => page,
                Err(Stopped::Refused(error)) if is_album(&error) => return Ok(None),
                Err(stopped) => return Err(stopped),
            };
            members.extend(page.media_items.into_iter().map(|item| listed.add(item)));
            let Some(token) = next(&page_token, page.next_page_token)? else {
                let mut seen = HashSet::new();
                members.retain(|number| seen.insert(*number));
                return Ok(Some(members));
            };
            page_token = token;
        }
        Err(endless())
    }

    /// Sends a call until it is answered, or until waiting is of no use.
    async fn ask<T: serde::de::DeserializeOwned>(&mut self, call: &Call) -> Result<T, Stopped> {
        loop {
            self.wait_for_the_gate().await?;
            let context = self.context;
            let now = context.clock.now();
            let quota = &context.config.quota;
            if context.store.ledger(now).await?.requests + quota.reserve >= quota.requests_per_day {
                return Err(Stopped::DayIsSpent);
            }
            context.store.about_to_send(Sending::Request, now).await?;
            let answered = tokio::select! {
                answered = context.client.send(call) => answered,
                () = context.stop.cancelled() => return Err(Stopped::Interrupted),
            };
            let error = match answered.and_then(|answer| answer.parse()) {
                Ok(page) => {
                    self.backoff.reset();
                    // A list says nothing of the storage: that pause is for writes to end.
                    context.account.record_upload_success().await?;
                    return Ok(page);
                }
                Err(error) => error,
            };
            let wait = self.wait_after(&error);
            if self.backoff.failures() > PATIENCE || !pause::is_worth_retrying(&error) {
                context.account.record_failure(&error).await?;
                return Err(Stopped::Refused(error));
            }
            if !wait.is_zero() {
                tracing::warn!("waiting {wait:.0?}: {}", account::error_chain(&error));
            }
            self.rest(wait).await?;
        }
    }

    /// A stop of the account that an earlier run was told is not asked about again before its end.
    async fn wait_for_the_gate(&self) -> Result<(), Stopped> {
        let context = self.context;
        let Permit::Closed { until: Some(until) } = context.account.check() else {
            return Ok(());
        };
        let pause = context.account.pause();
        if pause.state == AccountState::QuotaExhausted {
            return Err(Stopped::DayIsSpent);
        }
        if pause.state == AccountState::StorageFull {
            return Ok(());
        }
        self.rest(clock::until(context.clock.now(), until)).await
    }

    fn wait_after(&mut self, error: &photos_api::Error) -> Duration {
        let retry = &self.context.config.retry;
        let is_first = self.backoff.failures() == 0;
        let wait = self.backoff.next_wait(retry, error);
        // The next call brings a new access token.
        if is_first && error.kind() == Kind::AccessTokenRefused {
            return Duration::ZERO;
        }
        wait
    }

    async fn rest(&self, wait: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.context.stop.cancelled() => Err(Stopped::Interrupted),
        }
    }
}

/// Whether the refusal is about the album that was asked for.
fn is_album(error: &photos_api::Error) -> bool {
    matches!(
        error.kind(),
        Kind::AlbumRefused | Kind::NotFound | Kind::BadRequest | Kind::Forbidden
    )
}

/// The token of the page after this one; none at the end.
fn next(current: &str, next: String) -> Result<Option<String>, Stopped> {
    if next.is_empty() {
        return Ok(None);
    }
    if next == current {
        return Err(endless());
    }
    Ok(Some(next))
}

fn endless() -> Stopped {
    Stopped::Refused(photos_api::Error::new(Kind::Garbled, "the list has no end"))
}
