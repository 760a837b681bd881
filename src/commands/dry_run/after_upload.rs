//! What would become of files once their pictures are in the library: `after_upload`.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use crate::{
    config::{AfterUpload, Folder},
    escape::Escaped,
    status::format,
};

/// What is said of a folder that files would be moved to: it is never made.
const ABSENT: &str = ", which is not there: till then they stay";

/// Files that would be moved or deleted, by the folder that says so.
#[derive(Debug, Default)]
pub(super) struct Acts(BTreeMap<PathBuf, (AfterUpload, u64)>);

impl Acts {
    /// Counts one file of this folder.
    pub(super) fn note(&mut self, folder: &Folder) {
        if folder.after_upload != AfterUpload::Keep {
            let none = || (folder.after_upload.clone(), 0);
            self.0.entry(folder.path.clone()).or_insert_with(none).1 += 1;
        }
    }

    /// One line a folder; nothing where all files stay.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if !self.0.is_empty() {
            text.push_str("Each once Google Photos was asked for it and has it:\n");
        }
        for (folder, (action, n)) in &self.0 {
            let n = format::number(*n);
            let folder = Escaped::path(folder);
            let _ = match action {
                AfterUpload::Keep => continue,
                AfterUpload::Move(to) => {
                    let absent = if to.is_dir() { "" } else { ABSENT };
                    let to = Escaped::path(to);
                    writeln!(text, "  {n:>9}  moved from {folder} to {to}{absent}")
                }
                AfterUpload::Delete => writeln!(text, "  {n:>9}  deleted from {folder}"),
            };
        }
        text
    }
}
