//! The watcher and what it says.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::time::Instant;

use super::Running;
use crate::{
    config::Poll,
    scan::{
        place::Part,
        watch::{Hint, Lost, Options, Watch},
    },
};

impl Running {
    /// Watches the configured places, or has them polled.
    pub(super) fn start_watch(&mut self) {
        let now = Instant::now();
        let watch = &self.context.config.watch;
        let numbers = self.configured();
        if watch.poll == Poll::Always {
            for number in numbers {
                self.agenda.poll(number, PathBuf::new(), false, now);
            }
            return;
        }
        let places = numbers.iter().filter_map(|number| self.places.get(*number));
        let trees = places.map(|place| Arc::clone(&place.tree)).collect();
        let options = Options {
            network: watch.poll == Poll::Never,
            again_after: watch.settle,
            max_watches: None,
        };
        let (watch, hints) = Watch::start(trees, options);
        self.watch = Some(watch);
        self.hints = Some(hints);
    }

    /// Takes in what the watcher says.
    pub(super) fn take_in(&mut self, hints: Vec<Hint>) {
        let now = Instant::now();
        for hint in hints {
            match hint {
                Hint::Everything => self.agenda.everything(now),
                Hint::File { path, .. } => {
                    if let Some((number, relative)) = self.places.of_hint(&path)
                        && let Some(name) = relative.file_name()
                    {
                        let dir = relative.parent().map(PathBuf::from).unwrap_or_default();
                        if self.is_sidecar(number, &path) {
                            self.agenda.hint(number, Part::Only(dir), now);
                        } else {
                            self.agenda.written(number, dir, name.to_owned(), now);
                        }
                    }
                }
                Hint::Gone(path) => self.take_in_gone(&path, now),
                Hint::Dir { dir, deep } => {
                    if let Some((number, relative)) = self.places.of_hint(&dir) {
                        match (deep, relative.as_os_str().is_empty()) {
                            (true, true) => self.enqueue(number, Part::Whole, None),
                            (true, false) => self.agenda.hint(number, Part::Below(relative), now),
                            (false, _) => self.agenda.hint(number, Part::Only(relative), now),
                        }
                    }
                }
                Hint::Lost { dir, reason } => self.take_in_lost(&dir, &reason, now),
            }
        }
    }

    fn take_in_gone(&mut self, path: &Path, now: Instant) {
        let Some((number, relative)) = self.places.of_hint(path) else {
            return;
        };
        if let Some(name) = relative.file_name() {
            let dir = relative.parent().map(PathBuf::from).unwrap_or_default();
            if self.is_sidecar(number, path) {
                self.agenda.hint(number, Part::Only(dir.clone()), now);
            }
            let names = vec![name.to_owned()];
            let part = Part::Files { dir, names };
            self.agenda.hint(number, part, now);
            return;
        }
        // A root: it may be away now, or another one is in its place.
        self.look_at = now;
        if let Some(watch) = &self.watch {
            watch.cover(path);
        }
    }

    /// Whether the path may be a sidecar. Which files it tells about is seen by reading its directory.
    fn is_sidecar(&self, number: usize, path: &Path) -> bool {
        self.places
            .get(number)
            .is_some_and(|place| place.tree.is_sidecar(path))
    }

    fn take_in_lost(&mut self, dir: &Path, reason: &Lost, now: Instant) {
        let Some((number, relative)) = self.places.of_hint(dir) else {
            return;
        };
        let is_root = relative.as_os_str().is_empty();
        // A root that is missing is looked for each minute.
        if *reason != Lost::Missing {
            let has_hope = !matches!(reason, Lost::NoWatcher(_));
            self.agenda.poll(number, relative, has_hope, now);
        }
        let standing = self.standings.get(&number);
        if is_root && standing.is_some_and(|standing| !standing.first.is_empty()) {
            // Where there is no watcher, nothing else says that the first scan may begin.
            self.enqueue(number, Part::Whole, None);
        }
    }
}
