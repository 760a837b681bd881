//! Failed uploads: whose fault they are, how long uploads wait, and which file is tried next.
//!
//! One failure does not tell whether the service fails at everything or at this file. So after a failure one
//! upload at a time is sent as a probe, of another file each time if there is one: a file at which the service
//! always fails must not be the only one that is tried. A file that is the only one to fail waits longer each
//! time, and the others hardly. A file is at fault if another upload succeeded since its last failure.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    clock,
    context::pause::Timer,
    model::{
        backoff::Retry,
        ids::{FileId, ItemId},
    },
};

/// The most failed files that are remembered. One probe in five minutes makes 288 a day, so this covers more
/// than a day.
const MAX_TRIED: usize = 500;

/// Shared by the task and its workers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct UploadFailures(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Failures in a row that may be the service's. While there are any, one worker probes.
    failures: u32,
    /// Files that failed since the last success, the latest at the end.
    tried: Vec<FileId>,
    /// Further failures in a row of the only file in `tried`.
    alone: u32,
    /// Nothing is started before its end.
    pause: Option<Timer>,
    /// The same, because the service asked for it: no success ends it.
    requested: Option<Timer>,
    /// No file in `tried` is started before its end.
    retry_tried: Option<Timer>,
    successes: u64,
    /// The value of `successes` at an item's last failure, and its failures since that success.
    items: HashMap<ItemId, (u64, u32)>,
}

/// What happened since an item's last failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Another upload succeeded: the item is at fault.
    OthersSucceeded,
    /// No other upload succeeded: the service may fail at everything. The item had failed so often before.
    NoneSucceeded(u32),
}

impl UploadFailures {
    /// Whether the last upload failed.
    pub(super) fn is_probing(&self) -> bool {
        self.state().failures > 0
    }

    /// Until when nothing is started; none if something may be.
    pub(super) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.state();
        running(state.pause, now).max(running(state.requested, now))
    }

    /// Whether the service asked for a pause that is not over. It applies to uploads under way, too.
    pub(super) fn is_pause_requested(&self, now: Timestamp) -> bool {
        running(self.state().requested, now).is_some()
    }

    /// Until when no file of [`Self::tried`] is started; none if one may be.
    pub(super) fn tried_paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        running(self.state().retry_tried, now)
    }

    /// The files that failed since the last success. They are tried after all others.
    pub(super) fn tried(&self) -> Vec<FileId> {
        self.state().tried.clone()
    }

    /// Nothing is started before then.
    pub(super) fn pause_until(&self, now: Timestamp, until: Timestamp) {
        self.state().pause = Some(Timer::new(now, until));
    }

    /// The service asked for a pause until then.
    pub(super) fn request_pause(&self, now: Timestamp, until: Timestamp) {
        self.state().requested = Some(Timer::new(now, until));
    }

    /// An upload succeeded. It may have begun before a pause was asked for, so it does not end that one.
    pub(super) fn record_success(&self, item: ItemId) {
        let mut state = self.state();
        let mut items = std::mem::take(&mut state.items);
        items.remove(&item);
        *state = State {
            requested: state.requested,
            successes: state.successes + 1,
            items,
            ..State::default()
        };
    }

    /// An upload of this item failed; gives what happened since it last failed.
    pub(super) fn record_item_failure(&self, item: ItemId) -> Since {
        let mut state = self.state();
        let successes = state.successes;
        let (before, times) = *state.items.get(&item).unwrap_or(&(successes, 0));
        let others_succeeded = before < successes;
        let failures = if others_succeeded {
            1
        } else {
            times.saturating_add(1)
        };
        state.items.insert(item, (successes, failures));
        if others_succeeded {
            Since::OthersSucceeded
        } else {
            Since::NoneSucceeded(times)
        }
    }

    /// The upload of this file failed; `requested` is the wait that the service asked for. Gives until when
    /// the file is not tried again.
    pub(super) fn record_failure(
        &self,
        file: FileId,
        requested: Option<Duration>,
        (retry, chance): (&Retry, f64),
        now: Timestamp,
    ) -> Timestamp {
        let mut state = self.state();
        // If only this file has failed since the last success, it may be at fault.
        if requested.is_none() && state.tried == [file] {
            state.alone = state.alone.saturating_add(1);
        } else {
            state.alone = 0;
            state.failures = state.failures.saturating_add(1);
        }
        state.tried.retain(|tried| *tried != file);
        state.tried.push(file);
        if state.tried.len() > MAX_TRIED {
            state.tried.remove(0);
        }
        let timer = |failures: u32| {
            let own = retry.after_server_error(failures.saturating_sub(1), chance);
            let wait = requested.map_or(own, |requested| requested.max(own));
            Timer::new(now, clock::after(now, wait))
        };
        let retry_tried = timer(state.failures.saturating_add(state.alone));
        if requested.is_some() {
            state.requested = Some(retry_tried);
        }
        state.pause = Some(timer(state.failures));
        state.retry_tried = Some(retry_tried);
        retry_tried.until
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn running(timer: Option<Timer>, now: Timestamp) -> Option<Timestamp> {
    timer
        .filter(|timer| timer.is_running(now))
        .map(|timer| timer.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    /// The seconds that others and the file itself wait after each of these failed, one after the other.
    fn waits(files: &[i64], requested: Option<Duration>) -> Vec<(u64, u64)> {
        let (now, retry, failures) = (noon(), Retry::default(), UploadFailures::default());
        let seconds = |until| clock::until(now, until).as_secs();
        let wait = |file: &i64| {
            let again = failures.record_failure(FileId(*file), requested, (&retry, 1.0), now);
            (seconds(failures.paused_until(now).unwrap()), seconds(again))
        };
        files.iter().map(wait).collect()
    }

    fn the_same_for_all(waits: [u64; 5]) -> Vec<(u64, u64)> {
        waits.map(|wait| (wait, wait)).into()
    }

    #[test]
    fn all_wait_longer_for_each_file_that_fails() {
        let same = the_same_for_all([1, 2, 4, 8, 16]);
        assert_eq!(waits(&[1, 2, 3, 1, 2], None), same);
    }

    #[test]
    fn only_the_file_that_fails_alone_waits_longer() {
        let alone = [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16)];
        assert_eq!(waits(&[1, 1, 1, 1, 1], None), alone);
        let others = [(1, 1), (1, 2), (2, 2), (4, 4), (8, 8)];
        assert_eq!(waits(&[1, 1, 2, 2, 1], None), others);
    }

    #[test]
    fn a_wait_that_the_service_asks_for_is_for_all_files() {
        let same = the_same_for_all([5, 5, 5, 8, 16]);
        assert_eq!(waits(&[1, 1, 1, 1, 1], Some(Duration::from_secs(5))), same);
    }

    #[test]
    fn a_success_does_not_end_the_pause_that_the_service_asked_for() {
        let (now, failures) = (noon(), UploadFailures::default());
        let minute = Some(Duration::from_mins(1));
        let until = failures.record_failure(FileId(1), minute, (&Retry::default(), 1.0), now);
        failures.record_success(ItemId(2));
        assert_eq!(failures.paused_until(now), Some(until));
        assert_eq!(failures.paused_until(until), None);
    }

    #[test]
    fn the_file_that_failed_last_is_tried_last() {
        let (now, failures) = (noon(), UploadFailures::default());
        for file in [1, 2, 1, 3] {
            failures.record_failure(FileId(file), None, (&Retry::default(), 1.0), now);
        }
        assert_eq!(failures.tried(), [FileId(2), FileId(1), FileId(3)]);
        failures.record_success(ItemId(1));
        assert!(failures.tried().is_empty() && !failures.is_probing());
    }

    #[test]
    fn an_item_is_at_fault_once_another_upload_succeeded() {
        let failures = UploadFailures::default();
        let (one, other) = (ItemId(1), ItemId(2));
        assert_eq!(failures.record_item_failure(one), Since::NoneSucceeded(0));
        assert_eq!(failures.record_item_failure(one), Since::NoneSucceeded(1));
        failures.record_success(other);
        assert_eq!(failures.record_item_failure(one), Since::OthersSucceeded);
        assert_eq!(failures.record_item_failure(one), Since::NoneSucceeded(1));
    }
}
