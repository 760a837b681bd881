//! Files in the queue that nobody can read now, in words: which, where, and what a person can do. A
//! backfill ends with them, and `status` warns of those that no daemon will come to by itself.

use std::fmt::Write as _;

use super::{Warning, format, summary::LISTED};
use crate::{escape::Escaped, store::OutOfReach};

/// What stays in the queue because its folder is not there, or is none of this run's.
pub(super) fn text(all: &[OutOfReach]) -> String {
    let mut text = String::new();
    for there in all {
        let root = Escaped::path(&there.root);
        let why = if there.is_away {
            "is missing or empty"
        } else {
            "is no folder that this run looks into"
        };
        let _ = writeln!(text, "Still in the queue, for {root} {why}:");
        for path in there.files.iter().take(LISTED) {
            let _ = writeln!(text, "  {}", Escaped::path(path));
        }
        if there.files.len() > LISTED {
            let _ = writeln!(text, "  and {}", more(there, LISTED));
        }
        let _ = writeln!(text, "hint: {}", remedy(there));
    }
    text
}

/// A warning of what stays in the queue although its folder is not looked into any more.
pub(super) fn warning(there: &OutOfReach) -> Warning {
    let first = there.files.first();
    let first = first.map(|path| Escaped::path(path).to_string());
    let others = match there.files.len() {
        0 | 1 => String::new(),
        _ => format!(" and {}", more(there, 1)),
    };
    let (first, root) = (first.unwrap_or_default(), Escaped::path(&there.root));
    Warning {
        message: format!("{first}{others} in the queue, but {root} is no folder that is watched"),
        hint: remedy(there),
    }
}

/// How many there are beside the first ones.
fn more(there: &OutOfReach, listed: usize) -> String {
    let n = format::number(there.files.len().saturating_sub(listed) as u64);
    if there.and_more {
        format!("{n} or more")
    } else {
        format!("{n} more")
    }
}

fn remedy(there: &OutOfReach) -> String {
    if there.is_away {
        return "they go on by themselves once the folder is there again".to_owned();
    }
    let root = Escaped::path(&there.root);
    format!(
        "`albumen backfill {root}` goes on with them once the folder is there, and so does a copy of them in a \
         folder that is watched"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_are_told_by_the_first_ones_and_a_number() {
        let there = |n: u32, is_away, and_more| OutOfReach {
            root: "/card".into(),
            is_away,
            files: (0..n).map(|n| format!("/card/{n}.jpg").into()).collect(),
            and_more,
        };
        let said = text(&[there(22, true, false)]);
        let head = "Still in the queue, for /card is missing or empty:\n  /card/0.jpg\n";
        assert!(said.starts_with(head), "{said}");
        let tail = "  /card/19.jpg\n  and 2 more\nhint: they go on by themselves once the folder is there again\n";
        assert!(said.ends_with(tail), "{said}");
        let said = warning(&there(1_000, false, true));
        let words =
            "/card/0.jpg and 999 or more in the queue, but /card is no folder that is watched";
        assert_eq!(said.message, words);
        assert!(
            said.hint.starts_with("`albumen backfill /card`"),
            "{}",
            said.hint
        );
        assert_eq!(text(&[]), "");
    }
}
