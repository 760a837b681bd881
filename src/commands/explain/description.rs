//! Which description a file has, in words.

use std::{fmt::Write as _, path::Path};

use crate::{
    escape::Escaped,
    media::description::{self, sidecars::SidecarIndex},
    store::Explained,
};

/// Which description the file has, where it stands, and what the service knows of it.
pub(super) fn text(path: &Path, known: Option<&Explained>) -> String {
    let dir = path.parent().unwrap_or(Path::new(""));
    // A folder that cannot be listed has no sidecars that could be read.
    let beside = SidecarIndex::read(dir).unwrap_or_default();
    let found = description::find(path, &beside).description;
    let mut text = match &found {
        Some(found) => format!(
            "Its description is \"{}\", from {}.\n",
            Escaped::text(&found.text),
            found.source
        ),
        None => {
            "No text that a person wrote is beside it or in it: it has no description.\n".to_owned()
        }
    };
    let Some(known) = known else { return text };
    let said = found.map(|found| found.text);
    match (&known.described, &known.description) {
        (Some(told), _) if Some(told) == said.as_ref() => {
            text.push_str("Google Photos has that description.\n");
        }
        (_, Some(wanted)) if said.as_ref().is_some_and(|said| said != wanted) => {
            let _ = writeln!(
                text,
                "What is known of it is \"{}\": of an equal file that came first, or from before the last scan.",
                Escaped::text(wanted)
            );
        }
        (_, Some(_)) if said.is_some() && is_made(known) && known.describe_error.is_none() => {
            text.push_str("Google Photos is told so next.\n");
        }
        (Some(told), _) if said.is_none() => {
            let _ = writeln!(
                text,
                "Google Photos keeps the one that it has: \"{}\".",
                Escaped::text(told)
            );
        }
        _ => {}
    }
    if let Some(reason) = &known.describe_error {
        let _ = writeln!(
            text,
            "Google Photos did not take a change of it: {}.",
            Escaped::text(reason)
        );
    }
    text
}

fn is_made(known: &Explained) -> bool {
    matches!(known.item_state.as_deref(), Some("created" | "verified"))
}
