//! Executes one command. The process that holds the state folder does it: for itself if the command was
//! typed there, or for another process that sent the command over the control socket.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf, sync::atomic::Ordering};

use anyhow::Context as _;

use super::{album_remove, completion, verify_all};
use crate::{
    context::Context,
    exit_code::ExitCode,
    model::ids::{AlbumRow, ItemId},
    scan::ScanRequests,
    status::summary,
    store::{OrderKind, RootFilter},
};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The exit code.
    pub code: ExitCode,
    /// What the command prints. Empty for a backfill: the process in which it was typed reads its result from
    /// the store.
    pub text: String,
}

impl Report {
    /// A report without text.
    pub(super) fn silent(code: ExitCode) -> Self {
        Self {
            code,
            text: String::new(),
        }
    }
}

/// Executes `command`. A backfill asks `scans` for a scan of its paths; there is none if the process was
/// started for this backfill, and scans anyway.
pub(super) async fn execute(
    context: &Context,
    command: OrderKind,
    scans: Option<&ScanRequests>,
) -> anyhow::Result<Report> {
    match command {
        OrderKind::Retry { paths } => {
            let retried = context.store.retry(paths, context.clock.now()).await;
            let text = summary::retried(retried.context("nothing was put back into the queue")?);
            context.account.wake_all();
            Ok(Report {
                code: ExitCode::Done,
                text,
            })
        }
        OrderKind::Verify => verify_all::verify_all(context).await,
        OrderKind::Remove { places, held } => {
            let typed = |(item, album)| (ItemId(item), AlbumRow(album));
            album_remove::remove(context, places.into_iter().map(typed).collect(), held).await
        }
        OrderKind::Backfill { paths, no_wait } => {
            let reach = reach(&paths);
            if let Some(scans) = scans {
                context.scanning.fetch_add(1, Ordering::SeqCst);
                let scanned = scans.scan(to_paths(paths)).await;
                context.scanning.fetch_sub(1, Ordering::SeqCst);
                scanned?;
            }
            let code = completion::wait_until_drained(context, reach, no_wait).await?;
            Ok(Report::silent(code))
        }
    }
}

/// Which files a backfill of these paths waits for; without paths those of the whole queue.
pub fn reach<P>(paths: &[P]) -> RootFilter {
    if paths.is_empty() {
        RootFilter::Everything
    } else {
        RootFilter::Asked
    }
}

/// The paths of a command, which are stored as bytes.
pub(super) fn to_paths(paths: Vec<Vec<u8>>) -> Vec<PathBuf> {
    paths
        .into_iter()
        .map(|bytes| OsString::from_vec(bytes).into())
        .collect()
}
