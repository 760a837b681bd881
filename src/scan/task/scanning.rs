//! What the stage does when it is time: scans, looks at what settles, looks for roots.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{End, Flow, Job, Running, Turn};
use crate::{
    context::Mode,
    escape::Escaped,
    scan::{
        place::Part,
        scan::{self, Outcome, Scan},
        settle,
    },
};

impl Running {
    pub(super) async fn do_what_is_due(&mut self) -> Flow<()> {
        if self.look_at <= Instant::now() {
            self.look_at_roots().await?;
        }
        let now = self.context.clock.now();
        if self
            .settle_at
            .is_some_and(|next| settle::is_due(next, self.terms, now))
        {
            self.settle().await?;
        }
        let due = self.agenda.due(Instant::now());
        for (number, part) in due.urgent {
            self.scan_now(number, part).await?;
        }
        for (number, part) in due.queued {
            self.enqueue(number, part, None);
        }
        if due.is_rescan
            && let Some(watch) = &self.watch
        {
            watch.compare();
            for (number, dir) in self.agenda.take_hopeful() {
                if let Some(place) = self.places.get(number) {
                    watch.cover(&place.root().join(dir));
                }
            }
        }
        if due.everything {
            for number in self.configured() {
                self.enqueue(number, Part::Whole, None);
            }
        }
        Ok(())
    }

    /// Begins the next queued scan, if none is under way.
    pub(super) fn begin_turn(&mut self) {
        while self.turn.is_none()
            && let Some(job) = self.queue.pop_front()
        {
            if let Some(order) = self.order(job.place, job.part.clone()) {
                self.turn = Some(Turn {
                    scan: Scan::begin(&self.context.store, order),
                    job,
                    began: Instant::now(),
                });
            }
        }
    }

    pub(super) async fn end_turn(&mut self) -> Flow<()> {
        if let Some(Turn { job, scan, began }) = self.turn.take() {
            let Job {
                place,
                part,
                tickets,
            } = job;
            if self.conclude(place, part, scan, began).await? {
                tickets.into_iter().for_each(super::Ticket::used);
            }
        }
        Ok(())
    }

    /// Scans a small part at once; a queued scan that is under way waits meanwhile.
    async fn scan_now(&mut self, number: usize, part: Part) -> Flow<()> {
        let is_away = self
            .standings
            .get(&number)
            .is_none_or(|it| it.away.is_some());
        if is_away || part == Part::Whole {
            self.enqueue(number, Part::Whole, None);
            return Ok(());
        }
        let Some(order) = self.order(number, part.clone()) else {
            return Ok(());
        };
        let began = Instant::now();
        let mut scan = Scan::begin(&self.context.store, order);
        let stop = self.context.stop.clone();
        loop {
            let changes = tokio::select! {
                () = stop.cancelled() => return Err(End::Stop),
                changes = scan.changes() => changes,
            };
            match changes {
                Some(changes) => self.record(changes).await?,
                None => break,
            }
        }
        self.conclude(number, part, scan, began).await?;
        Ok(())
    }

    fn order(&self, number: usize, part: Part) -> Option<scan::Order> {
        let standing = self.standings.get(&number)?;
        Some(scan::Order {
            place: standing.place.clone(),
            root: standing.root,
            part,
            terms: self.terms,
            is_fresh: standing.is_scanned,
            requeue: standing.requeue,
            // A backfill removes nothing, and a PATH was only lent.
            tells_missing: standing.place.is_configured && self.context.mode == Mode::Daemon,
            clock: self.context.clock.clone(),
            told: self.told.clone(),
        })
    }

    /// Records what follows from a scan that has ended; gives whether it came to its end.
    async fn conclude(
        &mut self,
        number: usize,
        part: Part,
        scan: Scan,
        began: Instant,
    ) -> Flow<bool> {
        let outcome = match scan.outcome().await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                tracing::error!("a scan ended unexpectedly, it is tried again");
                self.agenda.failed(number, part, Instant::now());
                return Ok(false);
            }
            Err(error) if error.may_pass() => {
                tracing::warn!("a scan could not read the database, it is tried again: {error}");
                self.agenda.failed(number, part, Instant::now());
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let (now, took) = (Instant::now(), began.elapsed());
        self.agenda.took(number, &part, took, now);
        let is_whole = part == Part::Whole;
        if let Some(away) = outcome.away {
            self.gone_away(number, away).await?;
            return Ok(true);
        }
        if is_whole {
            self.tell(number, &outcome, took);
        }
        self.disks(number, outcome.without_disk).await?;
        if outcome.mounts_changed {
            self.look_at = now;
            self.agenda.second_look(number, part.clone(), now);
        }
        if outcome.wants_second && !is_whole {
            let second = match &part {
                Part::Files { dir, .. } => Part::Files {
                    dir: dir.clone(),
                    names: outcome.second.into_iter().collect(),
                },
                other => other.clone(),
            };
            self.agenda.second_look(number, second, now);
        }
        for dir in outcome.again {
            self.agenda.second_look(number, Part::Only(dir), now);
        }
        if let Some(standing) = self.standings.get_mut(&number) {
            standing.first.retain(|first| !is_whole && *first != part);
            if standing.away.is_some() && !is_whole && standing.place.is_configured {
                // It is back, and only a part of it was looked at.
                self.enqueue(number, Part::Whole, None);
            } else if standing.first.is_empty() {
                self.open(number, is_whole).await?;
            }
        }
        Ok(true)
    }

    /// Lets files of the place be claimed, and keeps that it was scanned whole, if it was.
    pub(super) async fn open(&mut self, number: usize, is_whole: bool) -> Flow<()> {
        let Some(it) = self.standings.get(&number) else {
            return Ok(());
        };
        let (root, rule) = (it.root, it.place.rule());
        let scanned = is_whole && !it.is_scanned;
        let applied = is_whole && it.requeue;
        if it.is_open && !scanned && !applied {
            return Ok(());
        }
        let store = self.context.store.clone();
        if applied {
            self.patiently(|| store.rule_applied(root, rule.clone()))
                .await?;
        }
        let now = self.context.clock.now();
        self.patiently(|| store.root_opened(root, scanned, now))
            .await?;
        if let Some(it) = self.standings.get_mut(&number) {
            if it.away.take().is_some() {
                tracing::info!("{} is back", Escaped::path(it.place.root()));
            }
            it.is_open = true;
            it.is_scanned |= is_whole;
            it.requeue &= !is_whole;
            it.counted = None;
        }
        self.settle_at = Some(Timestamp::MIN);
        self.ring();
        Ok(())
    }

    /// Looks at files whose time to settle is over.
    async fn settle(&mut self) -> Flow<()> {
        let here = self.standings.values().filter(|it| it.away.is_none());
        let places: HashMap<_, _> = here.map(|it| (it.root, it.place.clone())).collect();
        let (terms, now) = (self.terms, self.context.clock.now());
        let looked = self
            .blocking(move |reader| settle::look(reader, &places, terms, now))
            .await?;
        let Some(looked) = looked else {
            self.settle_at = None;
            return Ok(());
        };
        self.settle_at = looked.next;
        if !looked.away.is_empty() {
            self.look_at_roots().await?;
        }
        if !looked.changes.is_empty() {
            self.record(looked.changes).await?;
            self.settle_at = Some(Timestamp::MIN);
        }
        Ok(())
    }

    fn tell(&self, number: usize, outcome: &Outcome, took: Duration) {
        let Some(place) = self.places.get(number) else {
            return;
        };
        let root = Escaped::path(place.root());
        let Outcome {
            files,
            changed,
            missing,
            left_out,
            other_kind,
            ..
        } = outcome;
        let seconds = took.as_secs_f64();
        if *left_out > 0 {
            tracing::info!(
                "{left_out} files in {root} are left out from now on, as its rules say; their photos stay where they are"
            );
        }
        if *changed > 0 || *missing > 0 {
            tracing::info!(
                "scanned {root} in {seconds:.1} s: {files} photos and videos, {changed} new or changed, \
                 {missing} not there any more; {other_kind} files of other types"
            );
        } else {
            tracing::debug!(
                "scanned {root} in {seconds:.1} s: {files} photos and videos, as before"
            );
        }
    }
}
