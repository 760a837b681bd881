//! `albumen album remove`: items that a person takes out of albums, by this process or by the one
//! that holds the state folder. The lane makes the calls; here they are asked for and waited for.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Stage, stage};
use crate::{
    cli::ExitCode,
    config::Config,
    ids::{AlbumRow, ItemId},
    lock::Lock,
    pipeline::lane::Lane,
    status::summary,
    store::{AccountState, Reader},
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
    let stage = stage::alone(config, stop).await?;
    stage.store.recover(stage.clock.now()).await?;
    let mut lane = tokio::spawn(Lane::load(stage.clone()).await?.run());
    let ended = tokio::select! {
        ended = take_out(&stage, places, held) => ended,
        ended = &mut lane => {
            let ended = ended.map_err(anyhow::Error::from).and_then(|ended| Ok(ended?));
            ended.and_then(|()| Err(anyhow::anyhow!("the lane ended before it was told to")))
        }
    };
    stage.stop.cancel();
    stage.bells.lane.ring();
    if !lane.is_finished() {
        // A call under way is finished and recorded; the stop of the command bounds it.
        let _ = (&mut lane).await;
    }
    stage.store.close().await;
    drop(lock);
    ended
}

/// Asks the lane for it and waits until nothing is left to leave, or cannot for now.
pub(super) async fn take_out(
    stage: &Stage,
    mut places: Places,
    held: bool,
) -> anyhow::Result<(ExitCode, String)> {
    stage.store.take_out(places.clone()).await?;
    if held {
        places.extend(stage.store.release_held(stage.clock.now()).await?);
    }
    stage.gate.wake();
    stage.bells.lane.ring();
    let mut moved = stage.bells.moved.listen();
    loop {
        moved.mark_unchanged();
        let stopped = why_stopped(stage);
        if stopped.is_some() || !stage.store.anything_leaving().await? {
            let now = match Reader::open(&stage.config.state_dir)? {
                Some(reader) => reader.placements_of(&places)?,
                None => Vec::new(),
            };
            let refused = now.iter().any(|place| place.state == "refused");
            let code = match stopped {
                Some(code) => code,
                None if refused => ExitCode::SomeFailed,
                None => ExitCode::Done,
            };
            return Ok((code, summary::taken_out(&now)));
        }
        tokio::select! {
            () = stage.stop.cancelled() => {
                return Ok((ExitCode::Interrupted, "stopped; what is left leaves with the next run".to_owned()));
            }
            _ = moved.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The exit code if the account cannot be used now.
fn why_stopped(stage: &Stage) -> Option<ExitCode> {
    let pause = stage.gate.pause();
    let is_long = pause
        .until
        .is_none_or(|until| until > crate::clock::after(stage.clock.now(), SHORT));
    match pause.state {
        AccountState::Ready => None,
        AccountState::LoginNeeded if pause.until.is_none() => Some(ExitCode::LoginNeeded),
        // What an earlier run met is due, and the first request tells.
        AccountState::LoginNeeded => pause
            .until
            .is_some_and(|until| until > stage.clock.now())
            .then_some(ExitCode::Unusable),
        AccountState::ApiDisabled | AccountState::PhotosDisabled => Some(ExitCode::Unusable),
        AccountState::StorageFull | AccountState::QuotaExhausted | AccountState::Unreachable => {
            is_long.then_some(ExitCode::WorkLeft)
        }
    }
}
