//! `albumen verify`: asks the service for every created item, and reports what is gone.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Stage, alone};
use crate::{
    api::Error,
    cli::ExitCode,
    config::Config,
    ids::ItemId,
    pipeline::{
        gate,
        verify::{GROUP, judge},
    },
    store::{ToVerify, Verdict},
};

/// Verifies everything in a process of its own; gives the exit code and the report.
pub async fn verify(
    config: Arc<Config>,
    stop: CancellationToken,
) -> anyhow::Result<(ExitCode, String)> {
    let (lock, stage) = alone::stage(config, stop).await?;
    let ended = everything(&stage).await;
    stage.store.close().await;
    drop(lock);
    ended
}

#[derive(Debug, Default)]
struct Counts {
    there: u64,
    processing: u64,
    unplayable: u64,
    missing: u64,
}

/// Asks for every created item; those that the service refuses to know are asked for once more at
/// the end.
pub(super) async fn everything(stage: &Stage) -> anyhow::Result<(ExitCode, String)> {
    let mut counts = Counts::default();
    let mut doubted: Vec<ToVerify> = Vec::new();
    let mut after = ItemId(0);
    loop {
        let group = stage.store.created_after(after, GROUP).await?;
        let Some(last) = group.last() else { break };
        after = last.item;
        match ask(stage, &group, false, &mut counts, &mut doubted).await? {
            Some(error) => return Ok(gave_up(&counts, &error)),
            None if stage.stop.is_cancelled() => {
                return Ok((ExitCode::Interrupted, report(&counts)));
            }
            None => {}
        }
    }
    let suspects = std::mem::take(&mut doubted);
    for group in suspects.chunks(GROUP) {
        if let Some(error) = ask(stage, group, true, &mut counts, &mut doubted).await? {
            return Ok(gave_up(&counts, &error));
        }
    }
    let code = if counts.missing > 0 {
        ExitCode::SomeFailed
    } else {
        ExitCode::Done
    };
    Ok((code, report(&counts)))
}

async fn ask(
    stage: &Stage,
    group: &[ToVerify],
    last_time: bool,
    counts: &mut Counts,
    doubted: &mut Vec<ToVerify>,
) -> anyhow::Result<Option<Error>> {
    let judged = match judge(stage, group).await? {
        Ok(judged) => judged,
        Err(error) => {
            stage.gate.met(&error).await?;
            return Ok(Some(error));
        }
    };
    let mut verdicts = Vec::with_capacity(judged.len());
    for (asked, seen) in group.iter().zip(judged) {
        use crate::pipeline::verify::Seen;
        match seen {
            Seen::There => {
                counts.there += 1;
                verdicts.push((asked.item, Verdict::There));
            }
            Seen::Processing => counts.processing += 1,
            Seen::Unplayable(reason) => {
                counts.unplayable += 1;
                verdicts.push((asked.item, Verdict::Unplayable(reason)));
            }
            Seen::Unknown if last_time => {
                counts.missing += 1;
                verdicts.push((asked.item, Verdict::Gone));
            }
            Seen::Unknown => doubted.push(asked.clone()),
        }
    }
    stage.store.verdicts(verdicts, stage.clock.now()).await?;
    Ok(None)
}

fn gave_up(counts: &Counts, error: &Error) -> (ExitCode, String) {
    let code = match error.kind() {
        crate::api::Kind::LoginNeeded | crate::api::Kind::ScopeMissing => ExitCode::LoginNeeded,
        crate::api::Kind::ApiDisabled
        | crate::api::Kind::PhotosDisabled
        | crate::api::Kind::Setup => ExitCode::Unusable,
        _ => ExitCode::WorkLeft,
    };
    (
        code,
        format!("{}; stopped: {}", report(counts), gate::in_words(error)),
    )
}

fn report(counts: &Counts) -> String {
    let mut parts = vec![format!("{} are in Google Photos", counts.there)];
    if counts.processing > 0 {
        parts.push(format!(
            "{} videos are still being processed",
            counts.processing
        ));
    }
    if counts.unplayable > 0 {
        parts.push(format!(
            "{} videos could not be processed",
            counts.unplayable
        ));
    }
    parts.push(format!("{} are missing", counts.missing));
    let report = parts.join(", ");
    if counts.missing == 0 {
        return report;
    }
    format!("{report}\nhint: `albumen status` lists them; `albumen retry --all` sends them again")
}
