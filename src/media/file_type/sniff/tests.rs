use proptest::prelude::*;

use super::*;
use crate::media::file_type::Class;

/// What `head`, padded to a plausible length with zeros, is under `name`.
fn mime(head: &[u8], name: &str) -> Result<&'static str, NotMedia> {
    let mut padded = head.to_vec();
    padded.resize(padded.len().max(600), 0);
    by_content(&padded, OsStr::new(name)).map(|kind| kind.mime)
}

fn ftyp(brands: &[&[u8; 4]]) -> Vec<u8> {
    let mut head = u32::try_from(12 + 4 * brands.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    head.extend(b"ftyp");
    head.extend(brands[0]);
    head.extend([0; 4]);
    for brand in &brands[1..] {
        head.extend(*brand);
    }
    head
}

#[test]
fn content_wins_over_the_name() {
    assert_eq!(
        mime(b"\xff\xd8\xff\xe0\0\x10JFIF", "a.png"),
        Ok("image/jpeg")
    );
    assert_eq!(
        mime(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.jpg"),
        Ok("image/png")
    );
    assert_eq!(mime(b"RIFF\x10\0\0\0WEBPVP8 ", "a.jpg"), Ok("image/webp"));
    assert_eq!(mime(&ftyp(&[b"isom", b"iso2"]), "a.jpg"), Ok("video/mp4"));
    assert_eq!(
        mime(b"II*\0\x10\0\0\0CR\x02\0", "a.jpg"),
        Ok("image/x-canon-cr2")
    );
}

#[test]
fn brands_tell_the_iso_media_files_apart() {
    for (brands, name, expected) in [
        (&[b"heic", b"mif1"][..], "a.heic", "image/heic"),
        (&[b"mif1", b"heic"], "a.heif", "image/heic"),
        (&[b"mif1", b"avif", b"miaf"], "a.heic", "image/avif"),
        (&[b"mif1", b"miaf"], "a.heif", "image/heif"),
        (&[b"avif", b"mif1"], "a.avif", "image/avif"),
        (&[b"crx ", b"isom"], "a.cr3", "image/x-canon-cr3"),
        (&[b"qt  ", b"qt  "], "a.mov", "video/quicktime"),
        (&[b"3gp5"], "a.3gp", "video/3gpp"),
        (&[b"3g2a"], "a.3g2", "video/3gpp2"),
        (&[b"M4V "], "a.m4v", "video/x-m4v"),
        (&[b"isom"], "a.m4v", "video/x-m4v"),
        (&[b"MSNV"], "a.mp4", "video/mp4"),
        (&[b"isom"], "a.mov", "video/mp4"),
    ] {
        assert_eq!(mime(&ftyp(brands), name), Ok(expected), "{brands:?}");
    }
    assert_eq!(
        mime(&ftyp(&[b"M4A "]), "a.mp4"),
        Err(NotMedia::Other("audio in MPEG-4"))
    );
}

#[test]
fn the_extension_decides_inside_the_tiff_family() {
    for (name, expected) in [
        ("a.DNG", "image/x-adobe-dng"),
        ("a.nef", "image/x-nikon-nef"),
        ("a.arw", "image/x-sony-arw"),
        ("a.tif", "image/tiff"),
        ("a.jpg", "image/tiff"),
    ] {
        assert_eq!(mime(b"II*\0\x08\0\0\0", name), Ok(expected));
        assert_eq!(mime(b"MM\0*\0\0\0\x08", name), Ok(expected));
    }
}

#[test]
fn matroska_is_told_from_webm_by_its_document_type() {
    let ebml = |doc: &str| {
        let mut head = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82".to_vec();
        head.push(0x80 | u8::try_from(doc.len()).unwrap());
        head.extend(doc.bytes());
        head
    };
    assert_eq!(mime(&ebml("matroska"), "a.mkv"), Ok("video/x-matroska"));
    assert_eq!(mime(&ebml("webm"), "a.mkv"), Ok("video/webm"));
    assert_eq!(
        mime(&ebml("other"), "a.mkv"),
        Err(NotMedia::Other("EBML data"))
    );
}

#[test]
fn streams_without_a_signature_are_told_by_their_rhythm() {
    for (packet, offset) in [(188, 0), (192, 4), (188, 77)] {
        let mut head = vec![0x11; HEAD_BYTES];
        for at in (offset..HEAD_BYTES).step_by(packet) {
            head[at] = 0x47;
        }
        assert_eq!(mime(&head, "00001.MTS"), Ok("video/mp2t"));
        assert_eq!(mime(&head, "00001.tod"), Ok("video/mp2t"));
    }
    assert_eq!(mime(b"\0\0\x01\xba\x44\0", "MOV001.MOD"), Ok("video/mpeg"));
    // Garbage before the first start code: nothing speaks against the name.
    assert_eq!(mime(b"\x01\x02\x03\x04\x05", "a.mpg"), Ok("video/mpeg"));
    assert_eq!(mime(b"\0\0\0\0", "a.mpg"), Err(NotMedia::Unknown));
}

#[test]
fn the_rest_of_the_list_is_known() {
    let bitmap = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0";
    for (head, name, expected) in [
        (&b"GIF89a"[..], "a.gif", "image/gif"),
        (bitmap, "a.bmp", "image/bmp"),
        (b"\0\0\x01\0\x01\0\x10\x10\0\0", "a.ico", "image/x-icon"),
        (b"FUJIFILMCCD-RAW 0201", "a.raf", "image/x-fuji-raf"),
        (b"IIRO\x08\0\0\0", "a.orf", "image/x-olympus-orf"),
        (b"IIU\0\x18\0\0\0", "a.rw2", "image/x-panasonic-rw2"),
        (b"RIFF\0\0\0\0AVI LIST", "a.divx", "video/x-msvideo"),
        (
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
            "a.wmv",
            "video/x-ms-wmv",
        ),
        (
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
            "a.asf",
            "video/x-ms-asf",
        ),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a.mov", "video/quicktime"),
    ] {
        assert_eq!(mime(head, name), Ok(expected), "{name}");
    }
}

#[test]
fn what_is_no_media_is_refused_in_words() {
    for (head, words) in [
        (&b""[..], "it is empty"),
        (b"Dear diary,\r\n", "it holds text, not a photo or video"),
        (
            b"\0\0\0\0\0\0\0\0",
            "its content is not that of a photo or video that Google Photos takes; it may be damaged",
        ),
        (
            b"%PDF-1.7\n\xe2\xe3\0",
            "it holds another type of file (PDF), not a photo or video that Google Photos takes",
        ),
        (
            b"PK\x03\x04\x14\0\0\0",
            "it holds another type of file (ZIP), not a photo or video that Google Photos takes",
        ),
    ] {
        let refused = by_content(head, OsStr::new("a.jpg")).unwrap_err();
        assert_eq!(refused.to_string(), words);
    }
}

proptest! {
    #[test]
    fn no_bytes_and_no_name_can_upset_it(
        magic in prop::sample::select(vec![
            &b""[..], b"\0\0\0\x18ftyp", b"\x1a\x45\xdf\xa3", b"II*\0", b"RIFF", b"BM", b"\0\0\x01\0",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
        name in ".{0,12}",
    ) {
        let head = [magic, &rest].concat();
        if let Ok(kind) = by_content(&head, OsStr::new(&name)) {
            let expected = if kind.class == Class::Photo { "image/" } else { "video/" };
            prop_assert!(kind.mime.starts_with(expected));
        }
    }
}
