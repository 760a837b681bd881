//! UploadFailures while bytes go up: whose it is, how long the stage waits, and who is tried next.
//!
//! Nobody can see from one failure whether the service fails at everything or at this file. So while
//! there is trouble one upload at a time goes out, as a probe, and each is of another file as long as
//! there is one: a file at which the service always fails must not be all that is ever tried. A file
//! that fails alone waits longer each time, and the stage hardly: who comes next is not held up by it. A
//! file is blamed once another one got through since it failed last ([`History`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    clock,
    context::pause::Timer as Wait,
    model::{
        backoff::Retry,
        ids::{FileId, ItemId},
    },
};

/// Of so many files it is known that they were tried already: as many probes as five minutes apart
/// fill more than a day.
const TRIED: usize = 500;

/// The trouble of the stage.
#[derive(Debug, Default)]
pub(super) struct UploadFailures {
    /// Failures in a row that may be everybody's; while there are any, one slot probes.
    strikes: u32,
    /// Files that failed since an upload got through, who failed last at the end.
    tried: Vec<FileId>,
    /// Failures in a row of the only one in `tried`, after its first.
    alone: u32,
    wait: Option<Wait>,
    /// The pause that the service asked for.
    asked: Option<Wait>,
    /// The wait of those in `tried`.
    again: Option<Wait>,
}

impl UploadFailures {
    /// Whether the last upload failed.
    pub(super) fn is_on(&self) -> bool {
        self.strikes > 0
    }

    /// Until when nothing is begun; none if something may be.
    pub(super) fn lasts(&self, now: Timestamp) -> Option<Timestamp> {
        until(self.wait, now).max(until(self.asked, now))
    }

    /// Until when none of [`UploadFailures::tried`] is begun; none if one of them may be.
    pub(super) fn lasts_for_tried(&self, now: Timestamp) -> Option<Timestamp> {
        until(self.again, now)
    }

    /// Who failed since an upload got through, and is tried after everybody else.
    pub(super) fn tried(&self) -> Vec<FileId> {
        self.tried.clone()
    }

    /// Nothing is begun before then.
    pub(super) fn wait_until(&mut self, now: Timestamp, until: Timestamp) {
        self.wait = Some(Wait::new(now, until));
    }

    /// The service asked for a pause until then.
    pub(super) fn pause_until(&mut self, now: Timestamp, until: Timestamp) {
        self.asked = Some(Wait::new(now, until));
    }

    /// An upload got through. It may have been under way when a pause was asked for, and takes nothing
    /// of that back.
    pub(super) fn over(&mut self) {
        *self = Self {
            asked: self.asked,
            ..Self::default()
        };
    }

    /// The upload of this file failed; `asked` is how long the service asked everybody to wait. Gives
    /// until when it is not tried again.
    pub(super) fn record_failure(
        &mut self,
        file: FileId,
        asked: Option<Duration>,
        (retry, chance): (&Retry, f64),
        now: Timestamp,
    ) -> Timestamp {
        // What only this file has met since anybody got through may be its own.
        if asked.is_none() && self.tried == [file] {
            self.alone = self.alone.saturating_add(1);
        } else {
            self.alone = 0;
            self.strikes = self.strikes.saturating_add(1);
        }
        self.tried.retain(|tried| *tried != file);
        self.tried.push(file);
        if self.tried.len() > TRIED {
            self.tried.remove(0);
        }
        let after = |failures: u32| {
            let own = retry.after_server_error(failures.saturating_sub(1), chance);
            clock::after(now, asked.map_or(own, |asked| asked.max(own)))
        };
        let again = after(self.strikes.saturating_add(self.alone));
        if asked.is_some() {
            self.pause_until(now, again);
        }
        self.wait_until(now, after(self.strikes));
        self.again = Some(Wait::new(now, again));
        again
    }
}

fn until(wait: Option<Wait>, now: Timestamp) -> Option<Timestamp> {
    wait.filter(|wait| wait.is_running(now))
        .map(|wait| wait.until)
}

/// Who failed when, to tell an item's own trouble from everybody's; shared by all slots.
#[derive(Debug, Clone, Default)]
pub(super) struct History(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    successes: u64,
    /// How many uploads had succeeded when this item's last one failed, and how often it has failed
    /// since one did.
    failed_at: HashMap<ItemId, (u64, u32)>,
    /// The wait that the service asked for last.
    asked: Option<Wait>,
}

/// What happened since an item last failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Another upload succeeded: this item is to blame.
    OthersPassed,
    /// No other upload succeeded: the service may fail at everything. So often it had failed before.
    NonePassed(u32),
}

impl History {
    pub(super) fn succeeded(&self, item: ItemId) {
        let mut inner = self.inner();
        inner.successes += 1;
        inner.failed_at.remove(&item);
    }

    /// What happened since this item last failed.
    pub(super) fn failed(&self, item: ItemId) -> Since {
        let mut inner = self.inner();
        let successes = inner.successes;
        let (before, times) = *inner.failed_at.get(&item).unwrap_or(&(successes, 0));
        if before < successes {
            inner.failed_at.insert(item, (successes, 1));
            return Since::OthersPassed;
        }
        let now = times.saturating_add(1);
        inner.failed_at.insert(item, (successes, now));
        Since::NonePassed(times)
    }

    /// The service asked for a pause until then: it is for all slots, also for those at work.
    pub(super) fn asked_to_wait(&self, now: Timestamp, until: Timestamp) {
        self.inner().asked = Some(Wait::new(now, until));
    }

    /// Whether that pause lasts.
    pub(super) fn is_asked_to_wait(&self, now: Timestamp) -> bool {
        self.inner().asked.is_some_and(|wait| wait.is_running(now))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        server_error_base: Duration::from_secs(1),
        rate_limit_base: Duration::from_secs(30),
        max_attempts: 8,
    };

    /// The seconds that others and the file itself wait after each of these failed, one after the
    /// other.
    fn waits(files: &[i64], asked: Option<Duration>) -> Vec<(u64, u64)> {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut trouble = UploadFailures::default();
        let seconds = |until| clock::until(now, until).as_secs();
        let mut wait = |file: &i64| {
            let again = trouble.record_failure(FileId(*file), asked, (&RETRY, 1.0), now);
            (seconds(trouble.lasts(now).unwrap()), seconds(again))
        };
        files.iter().map(&mut wait).collect()
    }

    fn the_same_for_all(waits: [u64; 5]) -> Vec<(u64, u64)> {
        waits.map(|wait| (wait, wait)).into()
    }

    #[test]
    fn all_wait_longer_for_each_that_fails() {
        let same = the_same_for_all([1, 2, 4, 8, 16]);
        assert_eq!(waits(&[1, 2, 3, 1, 2], None), same);
    }

    #[test]
    fn one_that_fails_alone_waits_longer_and_nobody_with_it() {
        let alone = [(1, 1), (1, 2), (1, 4), (1, 8), (1, 16)];
        assert_eq!(waits(&[1, 1, 1, 1, 1], None), alone);
        let others = [(1, 1), (1, 2), (2, 2), (4, 4), (8, 8)];
        assert_eq!(waits(&[1, 1, 2, 2, 1], None), others);
    }

    #[test]
    fn what_the_service_asks_for_is_asked_of_all() {
        let asked = Some(Duration::from_secs(5));
        let same = the_same_for_all([5, 5, 5, 8, 16]);
        assert_eq!(waits(&[1, 1, 1, 1, 1], asked), same);
    }

    #[test]
    fn an_upload_that_was_under_way_does_not_end_the_pause_that_was_asked_for() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut trouble = UploadFailures::default();
        let asked = Some(Duration::from_mins(1));
        let until = trouble.record_failure(FileId(1), asked, (&RETRY, 1.0), now);
        trouble.over();
        assert_eq!(trouble.lasts(now), Some(until));
        assert_eq!(trouble.lasts(until), None);
    }

    #[test]
    fn who_failed_last_stands_behind_all_others() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut trouble = UploadFailures::default();
        for file in [1, 2, 1, 3] {
            trouble.record_failure(FileId(file), None, (&RETRY, 1.0), now);
        }
        assert_eq!(trouble.tried(), [FileId(2), FileId(1), FileId(3)]);
        trouble.over();
        assert!(trouble.tried().is_empty() && !trouble.is_on());
    }

    #[test]
    fn an_item_is_to_blame_once_another_got_through() {
        let history = History::default();
        let (one, other) = (ItemId(1), ItemId(2));
        assert_eq!(history.failed(one), Since::NonePassed(0));
        assert_eq!(history.failed(one), Since::NonePassed(1));
        history.succeeded(other);
        assert_eq!(history.failed(one), Since::OthersPassed);
        assert_eq!(history.failed(one), Since::NonePassed(1));
    }
}
