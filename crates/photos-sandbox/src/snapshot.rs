//! The state on disk, for a sandbox that is to remember: written when it stops and soon after changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{library::Library, oauth::Oauth, server::Shared, world::World};

/// The shortest time between two snapshots.
const PAUSE: Duration = Duration::from_millis(500);

/// A snapshot may take at most one part in so many of the time.
const SHARE: u32 = 20;

#[derive(Deserialize)]
struct Loaded {
    library: Library,
    oauth: Oauth,
}

#[derive(Serialize)]
struct Saved<'a> {
    library: &'a Library,
    oauth: &'a Oauth,
}

fn file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

/// Reads what an earlier sandbox left in the folder, if one did.
pub(super) fn load(dir: &Path, world: &mut World) -> io::Result<()> {
    let text = match fs::read(file(dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let loaded: Loaded = serde_json::from_slice(&text)?;
    world.library = loaded.library.restored();
    world.oauth = loaded.oauth;
    Ok(())
}

/// Writes the state, whole or not at all.
pub(super) fn save(dir: &Path, shared: &Shared) -> io::Result<()> {
    let _alone = shared.saving.lock().unwrap_or_else(PoisonError::into_inner);
    shared.is_dirty.store(false, Ordering::Relaxed);
    let text = {
        let world = shared.world();
        serde_json::to_vec(&Saved {
            library: &world.library,
            oauth: &world.oauth,
        })?
    };
    let new = dir.join("state.json.new");
    fs::write(&new, text)?;
    fs::rename(new, file(dir))
}

/// Writes the state soon after changes, until the sandbox stops.
pub(super) async fn keep(dir: PathBuf, shared: Arc<Shared>) {
    let mut pause = PAUSE;
    loop {
        let sleep = tokio::time::sleep(pause);
        if shared.stop.run_until_cancelled(sleep).await.is_none() {
            return;
        }
        if shared.is_dirty.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let (dir, shared) = (dir.clone(), Arc::clone(&shared));
            // A snapshot that fails is made again with the next change, and when the sandbox stops.
            let _ = tokio::task::spawn_blocking(move || save(&dir, &shared)).await;
            pause = PAUSE.max(begun.elapsed() * SHARE);
        }
    }
}
