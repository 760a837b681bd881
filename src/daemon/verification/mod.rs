//! `albumen verify`: asks the service for every created item, and reports what is gone.

mod report;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Context;
use crate::daemon::build_context;
use crate::{
    clock,
    config::Config,
    context::{account, pause},
    exit_code::ExitCode,
    lock::Lock,
    model::ids::ItemId,
    photos_api::{Error, Kind},
    progress::Count,
    store::{ToVerify, Verdict},
    verify::{GROUP, Seen, ask},
};

use report::Report;

/// How often in a row a question is refused before the round is given up.
const PATIENCE: u32 = 4;

/// Verifies everything in a process of its own; gives the exit code and the report.
pub async fn verify(
    lock: Lock,
    config: Arc<Config>,
    stop: CancellationToken,
    count: &Count,
) -> anyhow::Result<(ExitCode, String)> {
    let context = build_context::alone(config, stop).await?;
    let ended = everything(&context, count).await;
    context.store.close().await;
    drop(lock);
    ended
}

/// Asks for every created item; those that the service refuses to know are asked for once more at
/// the end.
pub(super) async fn everything(
    context: &Context,
    count: &Count,
) -> anyhow::Result<(ExitCode, String)> {
    let created = context.store.created_count().await?;
    count.is_of(created);
    let mut report = Report::default();
    // What was missing before is not asked for again, and still is missing.
    let (missing, some) = context.store.known_missing(report.missing.room()).await?;
    report.all = created + missing;
    let paths = context.store.paths_of(some).await?;
    report.missing.add(missing, paths);
    let mut round = Round {
        context,
        count,
        report,
        doubted: Vec::new(),
    };
    let ended = round.run().await?;
    let code = match ended {
        End::Done => round.report.code(),
        End::Stopped => {
            round.report.stopped = Some("it was interrupted".to_owned());
            ExitCode::Interrupted
        }
        End::GaveUp(error) => {
            round.report.stopped = Some(account::error_chain(&error));
            code_of(error.kind())
        }
    };
    Ok((code, round.report.text()))
}

fn code_of(kind: Kind) -> ExitCode {
    match kind {
        Kind::LoginNeeded | Kind::ScopeMissing => ExitCode::LoginNeeded,
        Kind::ApiDisabled | Kind::PhotosDisabled | Kind::Setup => ExitCode::Unusable,
        _ => ExitCode::WorkLeft,
    }
}

/// How a round ended.
enum End {
    Done,
    Stopped,
    GaveUp(Error),
}

/// One question after the other, for everything that went up.
struct Round<'a> {
    context: &'a Context,
    count: &'a Count,
    report: Report,
    /// What the service did not know the first time.
    doubted: Vec<ToVerify>,
}

impl Round<'_> {
    async fn run(&mut self) -> anyhow::Result<End> {
        let mut after = ItemId(0);
        loop {
            let group = self.context.store.created_after(after, GROUP).await?;
            let Some(last) = group.last() else { break };
            after = last.item;
            if let Some(end) = self.group(&group, false).await? {
                return Ok(end);
            }
        }
        let doubted = std::mem::take(&mut self.doubted);
        for group in doubted.chunks(GROUP) {
            if let Some(end) = self.group(group, true).await? {
                return Ok(end);
            }
        }
        Ok(End::Done)
    }

    /// Asks for a group; gives the end if this was it.
    async fn group(&mut self, group: &[ToVerify], again: bool) -> anyhow::Result<Option<End>> {
        let seen = match self.retry_transient(group).await? {
            Ok(seen) => seen,
            Err(end) => return Ok(Some(end)),
        };
        let mut verdicts = Vec::with_capacity(seen.len());
        let (mut unplayable, mut missing, mut unasked) = (Vec::new(), Vec::new(), Vec::new());
        for (asked, seen) in group.iter().zip(seen) {
            match seen {
                Seen::There => {
                    self.report.there += 1;
                    let question = asked.question;
                    verdicts.push((asked.item, Verdict::There { question }));
                }
                Seen::Processing => self.report.processing += 1,
                Seen::Unplayable(reason) => {
                    unplayable.push(asked.item);
                    verdicts.push((asked.item, Verdict::Unplayable(reason)));
                }
                Seen::Unknown if again => {
                    missing.push(asked.item);
                    verdicts.push((asked.item, Verdict::Gone));
                }
                Seen::Unknown => {
                    self.doubted.push(asked.clone());
                    continue;
                }
                Seen::Unasked(_) => unasked.push(asked.item),
            }
            self.count.add(1);
        }
        let now = self.context.clock.now();
        self.context.store.verdicts(verdicts, now).await?;
        self.context.wakes.changed.notify();
        let report = &mut self.report;
        for (items, files) in [
            (unplayable, &mut report.unplayable),
            (missing, &mut report.missing),
            (unasked, &mut report.unasked),
        ] {
            let n = items.len() as u64;
            let named = items.into_iter().take(files.room()).collect();
            files.add(n, self.context.store.paths_of(named).await?);
        }
        Ok(None)
    }

    /// Asks, and waits where the service asks for a wait; a few times in a row, then it is given up.
    async fn retry_transient(
        &self,
        group: &[ToVerify],
    ) -> anyhow::Result<std::result::Result<Vec<Seen>, End>> {
        let mut backoff = pause::Backoff::default();
        loop {
            if self.context.stop.is_cancelled() {
                return Ok(Err(End::Stopped));
            }
            if let Some(until) = self.context.reads_paused_until().await? {
                self.rests(clock::until(self.context.clock.now(), until))
                    .await;
                continue;
            }
            let error = match ask(self.context, group).await? {
                Ok(seen) => return Ok(Ok(seen)),
                Err(error) => error,
            };
            self.context.account.record_failure(&error).await?;
            let retry = &self.context.config.retry;
            let wait = backoff.next_wait(retry, &error);
            if backoff.failures() >= PATIENCE || !pause::is_worth_retrying(&error) {
                return Ok(Err(End::GaveUp(error)));
            }
            tracing::warn!("asks again later: {}", account::error_chain(&error));
            let until = clock::after(self.context.clock.now(), wait);
            self.context.record_read_failure(&error, until).await?;
            self.rests(wait).await;
        }
    }

    /// Waits, or for the stop.
    async fn rests(&self, wait: Duration) {
        tokio::select! {
            () = self.context.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
