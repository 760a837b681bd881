//! Lists what this client made: `albums.list`, `mediaItems.list`, and `mediaItems.search` for each album.
//!
//! Pages may be short, empty or overlap; only an empty page token ends a list (fact sheet, section 4.1).
//! Every request is counted before it is sent; the day's reserve is not used. Transient errors are
//! retried with backoff; other errors end the run.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
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

/// The number of failures in a row after which the run ends.
const FAILURES_MAX: u32 = 8;

/// The most pages of a list: with 100 items a page, far more than any library has.
const PAGES_MAX: usize = 1_000_000;

/// The number of items between two log lines.
const LOG_EVERY: usize = 5_000;

/// The usual address of a media item is this and its id; only other addresses are stored.
const PRODUCT_URL: &str = "https://photos.google.com/lr/photo/";

/// Why the run ended early.
#[derive(Debug)]
pub(super) enum Stopped {
    /// By a signal.
    Interrupted,
    /// The requests of the day are used, except those reserved for fresh files.
    DayIsSpent,
    /// By an error of the service.
    Refused(photos_api::Error),
    /// By an internal error.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// All listed media items, each once; compact, because there can be very many.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The data for matching.
    pub(super) items: Vec<Item>,
    ids: Vec<MediaItemId>,
    /// The addresses, where they are not the usual ones.
    pages: HashMap<usize, String>,
    /// The descriptions, where there are any.
    descriptions: HashMap<usize, String>,
    numbers: HashMap<Digest, usize>,
}

/// The hash of an id: shorter than the id, which is stored once.
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
    /// The number of the item with this id.
    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.numbers.get(&digest(id)).copied()
    }

    /// The id of an item.
    pub(super) fn id(&self, number: usize) -> Option<&MediaItemId> {
        self.ids.get(number)
    }

    /// The address of an item for a browser.
    pub(super) fn product_url(&self, number: usize) -> Option<String> {
        match self.pages.get(&number) {
            Some(url) => Some(url.clone()).filter(|url| !url.is_empty()),
            None => Some(format!("{PRODUCT_URL}{}", self.id(number)?)),
        }
    }

    /// The description of an item.
    pub(super) fn description(&self, number: usize) -> Option<String> {
        self.descriptions.get(&number).cloned()
    }

    /// Adds an item unless it is known, and returns its number.
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
            self.descriptions.insert(number, item.description);
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

/// Rounds an instant down to seconds since 1970.
pub(super) fn second(instant: Timestamp) -> i64 {
    let seconds = instant.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Reads the lists of the service.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    context: &'a Context,
    backoff: pause::Backoff,
}

impl<'a> Lists<'a> {
    /// A reader with the client of `context`.
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            backoff: pause::Backoff::default(),
        }
    }

    /// All albums, each once.
    pub(super) async fn albums(&mut self) -> Result<Vec<Album>, Stopped> {
        let (mut albums, mut seen) = (Vec::new(), HashSet::new());
        let take = |page: AlbumsPage| {
            let new = page
                .albums
                .into_iter()
                .filter(|album| seen.insert(album.id.clone()));
            albums.extend(new);
            page.next_page_token
        };
        self.read_pages(Call::albums_list, take).await?;
        Ok(albums)
    }

    /// All media items of the library.
    pub(super) async fn library(&mut self, listed: &mut Listed) -> Result<(), Stopped> {
        let take = |page: MediaItemsPage| {
            let before = listed.items.len();
            for item in page.media_items {
                listed.add(item);
            }
            if listed.items.len() / LOG_EVERY > before / LOG_EVERY {
                tracing::info!("{} media items are listed so far", listed.items.len());
            }
            page.next_page_token
        };
        self.read_pages(Call::media_items_list, take).await
    }

    /// The numbers of an album's items, in the album's order; none if the service refuses the album.
    /// Adds items that the list of the library left out.
    pub(super) async fn members(
        &mut self,
        album: &AlbumId,
        listed: &mut Listed,
    ) -> Result<Option<Vec<usize>>, Stopped> {
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        let take = |page: MediaItemsPage| {
            let numbers = page.media_items.into_iter().map(|item| listed.add(item));
            members.extend(numbers.filter(|number| seen.insert(*number)));
            page.next_page_token
        };
        let request = |page_token: &str| Call::media_items_search(album, page_token);
        match self.read_pages(request, take).await {
            Ok(()) => Ok(Some(members)),
            Err(Stopped::Refused(error)) if concerns_album(&error) => Ok(None),
            Err(stopped) => Err(stopped),
        }
    }

    /// Reads a list to its end. `take` uses a page and returns the token of the next one.
    async fn read_pages<P: DeserializeOwned>(
        &mut self,
        request: impl Fn(&str) -> Call,
        mut take: impl FnMut(P) -> String,
    ) -> Result<(), Stopped> {
        let mut page_token = String::new();
        for _ in 0..PAGES_MAX {
            let next = take(self.ask(&request(&page_token)).await?);
            if next.is_empty() {
                return Ok(());
            }
            if next == page_token {
                break;
            }
            page_token = next;
        }
        let error = photos_api::Error::new(Kind::Garbled, "the list has no end");
        Err(Stopped::Refused(error))
    }

    /// Sends a call until it succeeds, or until a retry is useless.
    async fn ask<T: DeserializeOwned>(&mut self, call: &Call) -> Result<T, Stopped> {
        loop {
            self.wait_for_account().await?;
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
                    // A list does not prove that storage is free: only a write ends that pause.
                    context.account.record_upload_success().await?;
                    return Ok(page);
                }
                Err(error) => error,
            };
            let wait = self.wait_after(&error);
            if self.backoff.failures() > FAILURES_MAX || !pause::is_worth_retrying(&error) {
                context.account.record_failure(&error).await?;
                return Err(Stopped::Refused(error));
            }
            if !wait.is_zero() {
                tracing::warn!("waiting {wait:.0?}: {}", account::error_chain(&error));
            }
            self.wait(wait).await?;
        }
    }

    /// Waits until the end of a pause of the account.
    async fn wait_for_account(&self) -> Result<(), Stopped> {
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
        self.wait(clock::until(context.clock.now(), until)).await
    }

    fn wait_after(&mut self, error: &photos_api::Error) -> Duration {
        let retry = &self.context.config.retry;
        let is_first = self.backoff.failures() == 0;
        let wait = self.backoff.next_wait(retry, error);
        // The next attempt uses a new access token.
        if is_first && error.kind() == Kind::AccessTokenRefused {
            return Duration::ZERO;
        }
        wait
    }

    async fn wait(&self, wait: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.context.stop.cancelled() => Err(Stopped::Interrupted),
        }
    }
}

/// Whether the refusal is about the requested album.
fn concerns_album(error: &photos_api::Error) -> bool {
    matches!(
        error.kind(),
        Kind::AlbumRefused | Kind::NotFound | Kind::BadRequest | Kind::Forbidden
    )
}
