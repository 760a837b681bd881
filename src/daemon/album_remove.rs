//! `albumen album remove`: items that a person takes out of albums, by this process or by the one
//! that holds the state folder. The lane makes the calls; here they are asked for and waited for.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Context;
use crate::daemon::build_context;
use crate::{
    config::Config,
    exit_code::ExitCode,
    lock::Lock,
    model::ids::{AlbumRow, ItemId},
    status::summary,
    store::{AccountState, Reader},
    writer::Writer,
};

/// How often is looked without anything having moved: waits begin and end too.
const LOOK: Duration = Duration::from_secs(1);

/// The longest wait of the account that is sat out.
const SHORT: Duration = Duration::from_mins(1);

/// Items and the albums that they leave.
pub type Places = Vec<(ItemId, AlbumRow)>;

/// Takes these out in a process of its own, and what was `held` back if that is asked for; gives the
/// exit code and the report.
pub async fn remove(
    lock: Lock,
    config: Arc<Config>,
    places: Places,
    held: bool,
    stop: CancellationToken,
) -> anyhow::Result<(ExitCode, String)> {
    let context = build_context::alone(config, stop).await?;
    context.store.recover(context.clock.now()).await?;
    let mut lane = tokio::spawn(Writer::load(context.clone()).await?.run());
    let ended = tokio::select! {
        ended = remove_by_user(&context, places, held) => ended,
        ended = &mut lane => {
            let ended = ended.map_err(anyhow::Error::from).and_then(|ended| Ok(ended?));
            ended.and_then(|()| Err(anyhow::anyhow!("the lane ended before it was told to")))
        }
    };
    context.stop.cancel();
    context.wakes.writer.notify();
    if !lane.is_finished() {
        // A call under way is finished and recorded; the stop of the command bounds it.
        let _ = (&mut lane).await;
    }
    context.store.close().await;
    drop(lock);
    ended
}

/// Asks the lane for it and waits until nothing is left to leave, or cannot for now.
pub(super) async fn remove_by_user(
    context: &Context,
    mut places: Places,
    held: bool,
) -> anyhow::Result<(ExitCode, String)> {
    context.store.remove_by_user(places.clone()).await?;
    if held {
        places.extend(context.store.release_held(context.clock.now()).await?);
    }
    context.account.wake_all();
    context.wakes.writer.notify();
    let mut moved = context.wakes.changed.subscribe();
    loop {
        moved.mark_unchanged();
        let stopped = why_stopped(context);
        if stopped.is_some() || !context.store.anything_leaving().await? {
            let now = match Reader::open(&context.config.state_dir)? {
                Some(reader) => reader.placements_of(&places)?,
                None => Vec::new(),
            };
            let refused = now.iter().any(|place| place.state == "refused");
            let code = match stopped {
                Some(code) => code,
                None if refused => ExitCode::SomeFailed,
                None => ExitCode::Done,
            };
            return Ok((code, summary::removed(&now)));
        }
        tokio::select! {
            () = context.stop.cancelled() => {
                return Ok((ExitCode::Interrupted, "stopped; what is left leaves with the next run".to_owned()));
            }
            _ = moved.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The exit code if the account cannot be used now.
fn why_stopped(context: &Context) -> Option<ExitCode> {
    let pause = context.account.pause();
    let is_long = pause
        .until
        .is_none_or(|until| until > crate::clock::after(context.clock.now(), SHORT));
    match pause.state {
        AccountState::Ready => None,
        AccountState::LoginNeeded if pause.until.is_none() => Some(ExitCode::LoginNeeded),
        // What an earlier run met is due, and the first request tells.
        AccountState::LoginNeeded => pause
            .until
            .is_some_and(|until| until > context.clock.now())
            .then_some(ExitCode::Unusable),
        AccountState::ApiDisabled | AccountState::PhotosDisabled => Some(ExitCode::Unusable),
        AccountState::StorageFull | AccountState::QuotaExhausted | AccountState::Unreachable => {
            is_long.then_some(ExitCode::WorkLeft)
        }
    }
}
