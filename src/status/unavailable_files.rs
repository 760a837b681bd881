//! Queued files that cannot be read now: which, why, and what the user can do. The report of a backfill
//! lists them; `status` warns of those that no watched folder covers.

use std::fmt::Write as _;

use super::{Warning, format};
use crate::{escape::Escaped, store::UnavailableFiles};

/// The most entries of a list in a report.
pub(super) const MAX_LISTED: usize = 20;

/// The list in a report: what stays in the queue because its folder is missing or not part of this run.
pub(super) fn text(all: &[UnavailableFiles]) -> String {
    let mut text = String::new();
    for group in all {
        let root = Escaped::path(&group.root);
        let why = if group.is_away {
            "is missing or empty"
        } else {
            "is no folder that this run looks into"
        };
        let _ = writeln!(text, "Still in the queue, for {root} {why}:");
        for path in group.files.iter().take(MAX_LISTED) {
            let _ = writeln!(text, "  {}", Escaped::path(path));
        }
        if group.files.len() > MAX_LISTED {
            let _ = writeln!(text, "  and {}", more(group, MAX_LISTED));
        }
        let _ = writeln!(text, "hint: {}", remedy(group));
    }
    text
}

/// The warning in `status` about queued files whose folder is no longer watched.
pub(super) fn warning(group: &UnavailableFiles) -> Warning {
    let first = group.files.first();
    let first = first.map(|path| Escaped::path(path).to_string());
    let others = match group.files.len() {
        0 | 1 => String::new(),
        _ => format!(" and {}", more(group, 1)),
    };
    let (first, root) = (first.unwrap_or_default(), Escaped::path(&group.root));
    Warning {
        message: format!("{first}{others} in the queue, but {root} is no folder that is watched"),
        hint: remedy(group),
    }
}

/// "2 more", or "999 or more" if the count was cut off.
fn more(group: &UnavailableFiles, listed: usize) -> String {
    let n = format::number(group.files.len().saturating_sub(listed) as u64);
    if group.and_more {
        format!("{n} or more")
    } else {
        format!("{n} more")
    }
}

fn remedy(group: &UnavailableFiles) -> String {
    if group.is_away {
        return "they go on by themselves once the folder is there again".to_owned();
    }
    let root = Escaped::path(&group.root);
    format!(
        "`albumen backfill {root}` goes on with them once the folder is there, and so does a copy of them in a \
         folder that is watched"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_files_are_listed() {
        let there = |n: u32, is_away, and_more| UnavailableFiles {
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
