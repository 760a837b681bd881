//! A service in memory, as far as the order of an album goes.

use super::*;
use crate::model::batch_plan::Position;

/// An album that takes positions literally: what a call brings is put there in its order, and what is
/// there already stays where it is.
#[derive(Default)]
pub(super) struct Service {
    pub(super) album: Vec<MediaItemId>,
}

impl Service {
    pub(super) fn create(&mut self, position: Option<&Position>, ids: &[MediaItemId]) {
        let mut at = match position.unwrap() {
            Position::Last => self.album.len(),
            Position::First => 0,
            Position::After(id) => 1 + self.album.iter().position(|there| there == id).unwrap(),
        };
        for id in ids {
            if !self.album.contains(id) {
                self.album.insert(at, id.clone());
                at += 1;
            }
        }
    }
}
