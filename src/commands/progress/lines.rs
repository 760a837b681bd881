//! Lines where there is no terminal: one now and then, if something has changed.

use crate::{clock::Clock, status::format};

use super::{Sight, bars};
use crate::ui::output::Screen;

/// The lines.
#[derive(Debug)]
pub(super) struct Lines {
    screen: Screen,
    clock: Clock,
    last: String,
}

impl Lines {
    pub(super) fn new(screen: Screen, clock: Clock) -> Self {
        Self {
            screen,
            clock,
            last: String::new(),
        }
    }

    pub(super) fn show(&mut self, sight: &Sight) {
        let sentence = bars::sentence(sight, &self.clock);
        let line = if sight.files_in_all() == 0 {
            sentence
        } else {
            let bytes = (sight.bytes_in_all() > 0).then(|| format!(", {}", bars::bytes(sight)));
            format!(
                "{} of {}{}: {sentence}",
                format::number(sight.done),
                format::files(sight.files_in_all()),
                bytes.unwrap_or_default(),
            )
        };
        if line != self.last {
            self.screen.say(&line);
            self.last = line;
        }
    }
}
