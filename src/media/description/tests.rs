use std::{fs, path::PathBuf, process::Command};

use super::*;

/// A folder of pictures and sidecars.
struct Album(tempfile::TempDir);

impl Album {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Copies a file that real programs wrote; tests/data/README.md tells what is in it.
    fn real(&self, name: &str) -> PathBuf {
        let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        let path = self.0.path().join(name);
        fs::copy(format!("{from}{name}"), &path).unwrap();
        path
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn find(&self, name: &str) -> Option<(String, String)> {
        let beside = SidecarIndex::read(self.0.path()).unwrap();
        let found = find(&self.0.path().join(name), &beside);
        found
            .description
            .map(|found| (found.text, found.source.to_string()))
    }

    #[track_caller]
    fn has(&self, name: &str, text: &str, source: &str) {
        assert_eq!(
            self.find(name),
            Some((text.to_owned(), source.to_owned())),
            "{name}"
        );
    }
}

fn xmp_with(description: &str) -> String {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
         <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:description><rdf:Alt>
         <rdf:li xml:lang='x-default'>{description}</rdf:li></rdf:Alt></dc:description></rdf:Description>
         </rdf:RDF></x:xmpmeta>"
    )
}

fn takeout_with(description: &str) -> String {
    format!(
        r#"{{"title": "shutter.jpg", "description": "{description}", "photoTakenTime": {{"timestamp": "1"}}}}"#
    )
}

#[test]
fn the_captions_inside_of_real_files_are_found() {
    let album = Album::new();
    for name in [
        "shutter.jpg",
        "phone.heic",
        "scan.png",
        "web.webp",
        "clip.mov",
        "clip.mp4",
        "edited.jpg",
    ] {
        album.real(name);
    }
    let xmp = "the XMP description inside the file";
    album.has(
        "shutter.jpg",
        "Grandma at the lake, á",
        "the IPTC caption inside the file",
    );
    album.has("phone.heic", "Tea in the garden ☕", xmp);
    album.has("scan.png", "The barn", xmp);
    album.has(
        "web.webp",
        "Drawn by Lène",
        "the EXIF tag UserComment inside the file",
    );
    album.has("clip.mov", "First steps", xmp);
    assert_eq!(album.find("clip.mp4"), None);
    album.has(
        "edited.jpg",
        "Über den Dächern",
        "the EXIF tag XPComment inside the file",
    );
}

#[test]
fn the_first_source_that_has_text_wins() {
    let album = Album::new();
    album.real("shutter.jpg");
    album.write("shutter.jpg.json", &takeout_with("of Takeout"));
    album.has(
        "shutter.jpg",
        "of Takeout",
        "Google Takeout's shutter.jpg.json",
    );
    album.write("shutter.xmp", &xmp_with("of Lightroom"));
    album.has("shutter.jpg", "of Lightroom", "the sidecar shutter.xmp");
    album.write("shutter.jpg.xmp", &xmp_with("of darktable"));
    album.has("shutter.jpg", "of darktable", "the sidecar shutter.jpg.xmp");
    // What no person wrote is nothing, wherever it stands.
    album.write("shutter.jpg.xmp", &xmp_with("OLYMPUS DIGITAL CAMERA"));
    album.has("shutter.jpg", "of Lightroom", "the sidecar shutter.xmp");
    album.write("shutter.xmp", &xmp_with("  "));
    album.write("shutter.jpg.json", &takeout_with(""));
    album.has(
        "shutter.jpg",
        "Grandma at the lake, á",
        "the IPTC caption inside the file",
    );
}

#[test]
fn a_sidecar_that_is_no_sidecar_is_passed_over() {
    let album = Album::new();
    album.real("clip.mp4");
    let pipe = album.0.path().join("clip.mp4.xmp");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    album.write("clip.xmp", &(xmp_with("too large") + &" ".repeat(1 << 20)));
    album.write("clip.mp4.json", "not JSON");
    album.write("elsewhere", &xmp_with("from elsewhere"));
    std::os::unix::fs::symlink("elsewhere", album.0.path().join("phone.xmp")).unwrap();
    fs::copy(album.real("clip.mp4"), album.0.path().join("phone.mp4")).unwrap();
    assert_eq!(album.find("phone.mp4"), None);
    assert_eq!(album.find("clip.mp4"), None);
    let beside = SidecarIndex::read(album.0.path()).unwrap();
    let nothing_there = find(&album.0.path().join("gone.jpg"), &beside);
    assert_eq!(
        (nothing_there.sidecars, nothing_there.description),
        (0, None)
    );
}
