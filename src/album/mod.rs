//! Albums: which one a file goes to, in what order, and at which positions. Pure.
//!
//! - [`title`] — the album rule of a folder, and what a title may be.
//! - [`order`] — the order key, bytes that sort as the album shall stand.
//! - [`plan`] — which of the ready items leave in one call, and at which position.
//!
//! A *placement* is an item in an album:
//!
//! ```text
//! wanted → placed → leaving → gone        refused (with a reason)
//! ```
//!
//! It is `in_sequence` only while it was created at its planned place and still is there. What joins
//! an album by `batchAddMediaItems` stands at the end and is not.

pub mod order;
pub mod plan;
pub mod title;

use std::fmt;

/// Where a placement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// The item shall be in the album.
    Wanted,
    /// The service put it there.
    Placed,
    /// It shall leave the album.
    Leaving,
    /// The service took it out.
    Gone,
    /// It cannot be in that album; a reason stands beside.
    Refused,
}

impl Placement {
    /// All states of a placement.
    pub const ALL: [Self; 5] = [
        Self::Wanted,
        Self::Placed,
        Self::Leaving,
        Self::Gone,
        Self::Refused,
    ];

    /// The word that the store and `status` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Placed => "placed",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
            Self::Refused => "refused",
        }
    }

    /// Whether a placement may go from here to `next`. A repeated outcome is no step.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Wanted => matches!(next, Self::Placed | Self::Refused | Self::Gone),
            Self::Placed => matches!(next, Self::Leaving | Self::Wanted),
            Self::Leaving => matches!(next, Self::Gone | Self::Placed | Self::Refused),
            // A call that was under way put it there after it was taken back.
            Self::Gone => matches!(next, Self::Wanted | Self::Leaving),
            Self::Refused => matches!(next, Self::Wanted | Self::Gone),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Placement::{self, Gone, Leaving, Placed, Refused, Wanted};

    #[test]
    fn the_whole_grid_of_placements_is_as_written() {
        let allowed = [
            (Wanted, vec![Placed, Gone, Refused]),
            // Back to wanted: the album was made anew.
            (Placed, vec![Wanted, Leaving]),
            (Leaving, vec![Placed, Gone, Refused]),
            (Gone, vec![Wanted, Leaving]),
            (Refused, vec![Wanted, Gone]),
        ];
        for (from, to) in allowed {
            let found: Vec<_> = Placement::ALL
                .into_iter()
                .filter(|next| from.may_become(*next))
                .collect();
            assert_eq!(found, to, "from {from}");
        }
    }
}
