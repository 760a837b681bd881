//! Patterns of gphotos-uploader-cli in our notation.

/// Extensions behind `_IMAGE_EXTENSIONS_`, which is also what an empty list means.
pub(super) const IMAGES: [&str; 5] = ["jpg", "jpeg", "png", "webp", "gif"];

/// Extensions behind `_RAW_EXTENSIONS_`, as far as Google Photos takes them.
pub(super) const RAW: [&str; 10] = [
    "arw", "cr2", "cr3", "dng", "nef", "nrw", "orf", "raf", "rw2", "srw",
];

/// Extensions behind `_ALL_VIDEO_FILES_`.
pub(super) const VIDEOS: [&str; 17] = [
    "mpg", "mod", "mmv", "tod", "wmv", "asf", "avi", "divx", "mov", "m4v", "3gp", "3g2", "mp4",
    "m2t", "m2ts", "mts", "mkv",
];

/// A pattern in our notation, in which one without a slash is for names in any depth.
pub(super) fn of_pattern(pattern: &str, of_names: bool) -> String {
    let pattern = pattern.replace("[^", "[!");
    match pattern.strip_prefix("**/") {
        Some(name) if !name.contains('/') => name.to_owned(),
        None if !pattern.contains('/') && !of_names => format!("/{pattern}"),
        _ => pattern,
    }
}

/// A pattern for each extension.
pub(super) fn of_extensions(extensions: &[&str]) -> Vec<String> {
    let glob = |extension: &&str| format!("*.{extension}");
    extensions.iter().map(glob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_same_files() {
        for (theirs, ours) in [
            ("**/*.jpg", "*.jpg"),
            ("*.jpg", "/*.jpg"),
            ("**/Temp/**", "**/Temp/**"),
            ("2024/*.jpg", "2024/*.jpg"),
            ("**/[^a]*", "[!a]*"),
        ] {
            assert_eq!(of_pattern(theirs, false), ours);
        }
        assert_eq!(of_pattern("*.jpg", true), "*.jpg");
    }
}
