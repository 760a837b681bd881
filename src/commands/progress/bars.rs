//! Bars on a terminal: files, bytes, a sentence, and the files on their way.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{
    clock::Clock,
    status::{Transfer, format, text},
};

use super::super::app::local_time;
use super::Sight;

/// Files on their way that have a bar; more would push the log off the screen.
const TRANSFERS: usize = 8;

/// Characters of a file's name beside its bar.
const NAME: &str = "  {prefix:36!} {wide_bar} {percent:>3}% {msg:>8}";
const WHOLE: &str = "{prefix:>6} {wide_bar} {msg}";
const SENTENCE: &str = "{wide_msg}";

/// The bars.
#[derive(Debug)]
pub(super) struct Bars {
    multi: MultiProgress,
    clock: Clock,
    files: ProgressBar,
    bytes: ProgressBar,
    sentence: ProgressBar,
    transfers: BTreeMap<String, ProgressBar>,
}

pub(super) fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        // A bar in the usual style is better than none.
        Err(_) => bar,
    }
}

impl Bars {
    pub(super) fn new(multi: &MultiProgress, clock: Clock) -> Self {
        let add = |template, prefix| {
            let bar = styled(ProgressBar::new(0), template).with_prefix(prefix);
            multi.add(bar)
        };
        Self {
            files: add(WHOLE, "files"),
            bytes: add(WHOLE, "bytes"),
            sentence: add(SENTENCE, ""),
            multi: multi.clone(),
            clock,
            transfers: BTreeMap::new(),
        }
    }

    pub(super) fn show(&mut self, sight: &Sight) {
        self.files.set_length(sight.files_in_all());
        self.files.set_position(sight.done);
        self.files.set_message(format!(
            "{} of {}",
            format::number(sight.done),
            format::number(sight.files_in_all())
        ));
        self.bytes.set_length(sight.bytes_in_all());
        self.bytes.set_position(sight.sent);
        self.bytes.set_message(bytes(sight));
        self.sentence.set_message(sentence(sight, &self.clock));
        self.show_transfers(&sight.status.transfers);
    }

    fn show_transfers(&mut self, transfers: &[Transfer]) {
        let present: BTreeSet<&str> = transfers.iter().map(|one| one.path.as_str()).collect();
        let multi = &self.multi;
        self.transfers.retain(|path, bar| {
            let stays = present.contains(path.as_str());
            if !stays {
                bar.finish_and_clear();
                multi.remove(bar);
            }
            stays
        });
        for transfer in transfers {
            if !self.transfers.contains_key(&transfer.path) && self.transfers.len() < TRANSFERS {
                let name = transfer.path.rsplit('/').next().unwrap_or_default();
                let bar = styled(ProgressBar::new(transfer.size), NAME)
                    .with_prefix(name.to_owned())
                    .with_message(format::bytes(transfer.size));
                self.transfers.insert(transfer.path.clone(), multi.add(bar));
            }
            if let Some(bar) = self.transfers.get(&transfer.path) {
                bar.set_position(transfer.sent);
            }
        }
    }

    pub(super) fn end(self) {
        let all = [self.files, self.bytes, self.sentence];
        for bar in all.into_iter().chain(self.transfers.into_values()) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }
}

/// How many bytes of how many, and how fast.
pub(super) fn bytes(sight: &Sight) -> String {
    let (sent, all) = (
        format::bytes(sight.sent),
        format::bytes(sight.bytes_in_all()),
    );
    let rate = sight.rate.map(rate);
    format!("{sent} of {all}{}", rate.unwrap_or_default())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float to integer saturates, which is what is wanted"
)]
fn rate(rate: f64) -> String {
    format!(", {}/s", format::bytes(rate as u64))
}

/// What is going on, or waited for, in a sentence.
pub(super) fn sentence(sight: &Sight, clock: &Clock) -> String {
    if sight.is_looking() {
        return "looking for files".to_owned();
    }
    let here = local_time(clock);
    let headline = text::headline(&sight.status, &here);
    // A wait of the lane beside uploads is not in the headline, and is what one wants to know.
    match text::waits_for(&sight.status, &here) {
        Some(wait) if !headline.contains(&wait) => format!("{headline}; {wait}"),
        _ => headline,
    }
}
