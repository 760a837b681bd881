//! What becomes of the file itself once its picture is in the library: `after_upload`.

use crate::{
    config::AfterUpload,
    escape::Escaped,
    scan::folder::Folder,
    status::{format, text::LocalTime},
    store::AfterView,
};

use std::path::Path;

/// What is going to be done to a file, or was done; nothing where its folder leaves files alone.
pub(super) fn text(
    folder: &Folder,
    relative: &Path,
    view: Option<&AfterView>,
    goes: bool,
    here: &LocalTime,
) -> String {
    let at = |then| format::time(then, here.now, &here.zone);
    match view {
        Some(AfterView::Done(Some(to), then)) => {
            let to = Escaped::path(to);
            return format!(
                "Albumen moved it to {to} (at {}), after it was read back.\n",
                at(*then)
            );
        }
        Some(AfterView::Done(None, then)) => {
            return format!(
                "Albumen deleted it here (at {}), after it was read back.\n",
                at(*then)
            );
        }
        Some(AfterView::Stays(reason)) => {
            return format!("The file stays where it is: {}.\n", Escaped::text(reason));
        }
        _ => {}
    }
    let act = match &folder.settings.after_upload {
        AfterUpload::Keep => return String::new(),
        AfterUpload::Move(target) => {
            let target = target.join(relative);
            format!("moves to {}", Escaped::path(&target))
        }
        AfterUpload::Delete => "is deleted here".to_owned(),
    };
    match view {
        Some(AfterView::Ready(_)) => format!("It was read back; the file {act} now.\n"),
        Some(AfterView::Waits(Some(then))) if *then > here.now => format!(
            "The file {act} once it was read back, which is asked for at {}.\n",
            at(*then)
        ),
        Some(AfterView::Waits(_)) => format!("The file {act} once it was read back.\n"),
        _ if goes => format!("Once it is safely in Google Photos, the file {act}.\n"),
        _ => String::new(),
    }
}
