//! Who is in an album: `albums.batchAddMediaItems` for media items that join a further album after their
//! token has expired, `albums.batchRemoveMediaItems` for deleted files, and `mediaItems.search` for the
//! order of an album. A removed item stays in the library: the API cannot delete media items.
//!
//! Both calls are all or nothing, and an addition can only append. After a refused addition each item goes
//! alone. A refused removal is repeated after a wait, because such refusals pass (fact sheet, section 5.2);
//! then it is bisected. An item that cannot be removed is looked for in the album: a person may have
//! removed it before.

use std::collections::HashSet;

use super::{
    bisect::Finding,
    send::{Recorded, new_call},
    task::{Turn, Writer},
};
use crate::{
    clock,
    context::{Result, account::error_chain},
    model::{
        call::{CallKind, Fault},
        ids::{AlbumId, AlbumRow, ItemId, MediaItemId},
    },
    photos_api::{Call, Error, Kind, wire::MediaItemsPage},
    store::{Journalled, Members, NewCall},
};

/// The most pages of one album: it holds 20,000 items, a page has a hundred, and some are short.
const MAX_PAGES: usize = 1000;

impl Writer {
    /// Sends a planned addition.
    pub(super) async fn add_items(&mut self, addition: Members) -> Result<()> {
        let call = membership_call(CallKind::AddItems, addition, Call::album_add);
        self.perform(call).await?;
        Ok(())
    }

    pub(super) async fn items_added(&mut self, call: &Journalled) -> Recorded {
        let now = self.now();
        self.store()
            .additions_answered(call.id, call.album, None, None, now)
            .await?;
        let n_items = call.items.len();
        tracing::info!(album.row = call.album.0, n_items, "added to an album");
        Ok(Ok(()))
    }

    pub(super) async fn items_not_added(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &Error,
    ) -> Result<()> {
        let words = error_chain(error);
        let is_unknown = fault.outcome_is_unknown();
        let is_own = is_unknown || fault == Fault::Request;
        let limit = self.retry().max_attempts;
        let max_attempts = match call.items[..] {
            // Only other calls can tell whether the service fails at this item or at everything.
            [(item, _)] if is_unknown => self.is_item_at_fault(item, true).await?.then_some(limit),
            // The other items may be at fault: each goes alone from now on.
            [_, _, ..] => is_own.then_some(limit.max(2)),
            _ => is_own.then_some(limit),
        };
        let now = self.now();
        let until = clock::after(now, self.wait_after_give_up(fault));
        if is_unknown || call.sends > 1 {
            // The items may be in the album. Noted first, so that a crash does not forget it.
            self.store().call_in_doubt(call.id, call.album).await?;
        }
        let refused = Some((words.clone(), until));
        self.store()
            .additions_answered(call.id, call.album, refused, max_attempts, now)
            .await?;
        match fault {
            Fault::AlbumFull => self.album_is_full(call.album, &words).await?,
            Fault::Album => self.inspect_album(call.album, &words).await?,
            // The error does not say whether it is the album.
            _ if error.kind() == Kind::BadRequest => {
                self.is_album_usable(call.album, &words).await?;
            }
            _ if is_own && error.retry_after().is_none() => {}
            _ => self.pause_for(error).await?,
        }
        Ok(())
    }

    /// Removes what is planned, or the next part of a refused removal.
    pub(super) async fn remove_items(&mut self, planned: Members) -> Result<Turn> {
        let members = match self.remove_bisection.first() {
            None => planned,
            Some(part) if part.not_before > self.now() => {
                let reason =
                    "photos could not be taken out of their album; that is tried again in parts";
                return Ok(Turn::wait(reason, part.not_before));
            }
            Some(_) => {
                let Some(part) = self.remove_bisection.take() else {
                    return Ok(Turn::Again);
                };
                let members = self.store().plan_removal(part.album, part.items).await?;
                let Some(members) = members else {
                    self.remove_bisection.passed();
                    return Ok(Turn::Again);
                };
                members
            }
        };
        let call = membership_call(CallKind::RemoveItems, members, Call::album_remove);
        if !self.perform(call).await? {
            self.remove_bisection.put_back();
        }
        Ok(Turn::Again)
    }

    pub(super) async fn items_removed(&mut self, call: &Journalled) -> Recorded {
        let now = self.now();
        self.store()
            .removals_answered(call.id, call.album, None, now)
            .await?;
        self.remove_bisection.passed();
        let n_items = call.items.len();
        tracing::info!(album.row = call.album.0, n_items, "taken out of an album");
        Ok(Ok(()))
    }

    pub(super) async fn items_not_removed(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &Error,
    ) -> Result<()> {
        let (words, now) = (error_chain(error), self.now());
        self.store()
            .removals_answered(call.id, call.album, Some(words.clone()), now)
            .await?;
        match fault {
            Fault::Album => {
                self.remove_bisection.passed();
                self.inspect_album(call.album, &words).await?;
            }
            Fault::NoAnswer | Fault::Server | Fault::Request => {
                self.bisect_removal(call, fault, &words).await?;
                if error.retry_after().is_some() {
                    self.pause_for(error).await?;
                }
            }
            _ => {
                self.remove_bisection.put_back();
                self.pause_for(error).await?;
            }
        }
        Ok(())
    }

    async fn bisect_removal(&mut self, call: &Journalled, fault: Fault, words: &str) -> Result<()> {
        let items: Vec<ItemId> = call.items.iter().map(|(item, _)| *item).collect();
        if call.sends > 1 && fault == Fault::Request {
            // Refused, because the first send removed them.
            self.remove_bisection.passed();
            return self.find_removed(call.album, items, None).await;
        }
        let again = clock::after(self.now(), self.retry().rate_limit_base);
        match self.remove_bisection.refused(call.album, items, again) {
            Finding::Split => Ok(()),
            Finding::Culprit(item) => self.find_removed(call.album, vec![item], Some(words)).await,
            Finding::NotItemSpecific(items) => {
                self.find_removed(call.album, items, Some(words)).await
            }
        }
    }

    /// Which of these are in the album? The others were removed from it. With `words`, those in it cannot
    /// be removed.
    async fn find_removed(
        &mut self,
        album: AlbumRow,
        items: Vec<ItemId>,
        words: Option<&str>,
    ) -> Result<()> {
        let Some(removal) = self.store().plan_removal(album, items).await? else {
            return Ok(());
        };
        let Some(listed) = self.list_album(album, &removal.album_id).await? else {
            return Ok(());
        };
        let listed: HashSet<MediaItemId> = listed.into_iter().collect();
        let (mut there, mut removed) = (Vec::new(), Vec::new());
        for (item, id) in removal.items {
            let list = if listed.contains(&id) {
                &mut there
            } else {
                &mut removed
            };
            list.push(item);
        }
        self.store().left_already(album, removed).await?;
        if let Some(words) = words {
            let reason = format!("the service would not take it out of the album: {words}");
            self.store().cannot_leave(album, there, reason).await?;
        }
        Ok(())
    }

    /// Reads an album whose order is not known, before more is placed in it.
    pub(super) async fn read_album_order(
        &mut self,
        album: AlbumRow,
        album_id: &AlbumId,
    ) -> Result<()> {
        if let Some(listed) = self.list_album(album, album_id).await? {
            let n_items = listed.len();
            tracing::info!(
                album.row = album.0,
                n_items,
                "read the order of an album after a lost answer"
            );
            self.store().album_read(album, listed).await?;
        }
        Ok(())
    }

    /// All media items of an album in its order; none if the service does not tell now. Pages may be short,
    /// empty, and overlap.
    async fn list_album(
        &mut self,
        album: AlbumRow,
        album_id: &AlbumId,
    ) -> Result<Option<Vec<MediaItemId>>> {
        let (mut listed, mut seen) = (Vec::new(), HashSet::new());
        let request = |page_token: &str| Call::media_items_search(album_id, page_token);
        let take = |page: MediaItemsPage| {
            let ids = page.media_items.into_iter().map(|item| item.id);
            listed.extend(ids.filter(|id| seen.insert(id.clone())));
            Some(page.next_page_token)
        };
        if let Err(error) = self.read_pages(MAX_PAGES, request, take).await? {
            let words = error_chain(&error);
            match error.kind() {
                Kind::AlbumRefused | Kind::NotFound | Kind::BadRequest => {
                    self.inspect_album(album, &words).await?;
                }
                kind => {
                    self.pause_for(&error).await?;
                    if kind.concerns_call() {
                        self.postpone_unreadable_album(album, words).await?;
                    }
                }
            }
            return Ok(None);
        }
        if self.album_read_failures.remove(&album).is_some() {
            self.store().album_present(album).await?;
        }
        Ok(Some(listed))
    }

    /// The service fails at this album. The others go on as soon as the writer does; this one waits longer
    /// each time.
    async fn postpone_unreadable_album(&mut self, album: AlbumRow, words: String) -> Result<()> {
        let failures = self.album_read_failures.entry(album).or_default();
        let retry = &self.context.config.retry;
        let wait = retry.after_server_error(*failures, fastrand::f64());
        *failures = failures.saturating_add(1);
        let now = self.now();
        let goes_on = self.pause.as_ref().map_or(now, |(timer, _)| timer.until);
        let until = clock::after(goes_on.max(now), wait);
        Ok(self.store().album_waits(album, until, words).await?)
    }
}

fn membership_call(
    kind: CallKind,
    members: Members,
    request: fn(&AlbumId, &[MediaItemId]) -> Call,
) -> NewCall {
    let (items, ids): (Vec<_>, Vec<_>) = members.items.into_iter().unzip();
    new_call(kind, members.album, request(&members.album_id, &ids), items)
}
