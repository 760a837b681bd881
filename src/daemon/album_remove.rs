//! `albumen album remove`: marks the placements as leaving, and waits until the writer has removed them.

use super::{
    completion::{POLL, SHORT_WAIT, unusable_account},
    execute::Report,
};
use crate::{
    clock,
    context::Context,
    exit_code::ExitCode,
    model::ids::{AlbumRow, ItemId},
    status::summary,
    store::{AccountState, Reader},
};

/// Removes items from albums; with `held` also those that were held back because so many files were gone at
/// once. Ends when nothing is left to remove, or when the account cannot be used for long.
pub(super) async fn remove(
    context: &Context,
    mut placements: Vec<(ItemId, AlbumRow)>,
    held: bool,
) -> anyhow::Result<Report> {
    context.store.remove_by_user(placements.clone()).await?;
    if held {
        placements.extend(context.store.release_held(context.clock.now()).await?);
    }
    context.account.wake_all();
    context.wakes.writer.notify();
    let mut changed = context.wakes.changed.subscribe();
    loop {
        changed.mark_unchanged();
        let stopped = paused_for_long(context);
        if stopped.is_some() || !context.store.anything_leaving().await? {
            let now = match Reader::open(&context.config.state_dir)? {
                Some(reader) => reader.placements_of(&placements)?,
                None => Vec::new(),
            };
            let refused = now.iter().any(|placement| placement.state == "refused");
            let done = if refused {
                ExitCode::SomeFailed
            } else {
                ExitCode::Done
            };
            return Ok(Report {
                code: stopped.unwrap_or(done),
                text: summary::removed(&now),
            });
        }
        tokio::select! {
            () = context.stop.cancelled() => {
                let text = "stopped; what is left leaves with the next run".to_owned();
                return Ok(Report { code: ExitCode::Interrupted, text });
            }
            _ = changed.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// The exit code if the account cannot be used now, and not soon.
fn paused_for_long(context: &Context) -> Option<ExitCode> {
    let (pause, now) = (context.account.pause(), context.clock.now());
    let is_long = pause
        .until
        .is_none_or(|until| until > clock::after(now, SHORT_WAIT));
    unusable_account(&pause, now).or_else(|| match pause.state {
        AccountState::StorageFull | AccountState::QuotaExhausted | AccountState::Unreachable => {
            is_long.then_some(ExitCode::WorkLeft)
        }
        _ => None,
    })
}
