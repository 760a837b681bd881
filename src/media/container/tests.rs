use std::{fmt::Write as _, io::Cursor};

use proptest::prelude::*;

use super::*;

/// A file as real programs write it; tests/data/README.md tells what is in each.
fn real(name: &str) -> Vec<u8> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
    std::fs::read(format!("{dir}{name}")).unwrap()
}

fn found(bytes: &[u8]) -> Embedded {
    read(&mut Cursor::new(bytes))
}

fn xmp_description(bytes: &[u8]) -> Option<String> {
    xmp::parse(&found(bytes).xmp?)?.description
}

fn iptc_caption(bytes: &[u8]) -> Option<String> {
    iptc::caption(&found(bytes).iptc?)
}

#[test]
fn every_container_gives_what_was_written_into_it() {
    let jpeg = real("shutter.jpg");
    assert_eq!(
        iptc_caption(&jpeg).as_deref(),
        Some("Grandma at the lake, á")
    );
    assert_eq!(xmp_description(&jpeg).as_deref(), Some("Not this one"));
    let camera = found(&jpeg).exif.description.unwrap();
    assert_eq!(camera.trim(), "OLYMPUS DIGITAL CAMERA");
    for (name, words) in [
        ("phone.heic", "Tea in the garden ☕"),
        ("scan.png", "The barn"),
        ("clip.mov", "First steps"),
    ] {
        let said = xmp_description(&real(name));
        assert_eq!(said.as_deref(), Some(words), "{name}");
    }
    let webp = found(&real("web.webp")).exif;
    assert_eq!(webp.comment.as_deref(), Some("Drawn by Lène"));
    let edited = found(&real("edited.jpg"));
    assert_eq!(edited.exif.xp_comment.as_deref(), Some("Über den Dächern"));
    let packet = xmp::parse(&edited.xmp.unwrap()).unwrap();
    assert_eq!(packet.taken, ["2024-05-01T18:00:00+02:00"]);
    let texts = found(&real("chart.png")).texts;
    assert_eq!(texts[0].0, "Creation Time");
}

#[test]
fn a_raw_file_is_a_tiff_and_gives_the_same() {
    // Big endian, as Nikon writes it: a description, a short one in place, an XMP packet, and IPTC.
    let packet = b"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'
        xmlns:d='http://purl.org/dc/elements/1.1/'><r:Description d:description='x'/></r:RDF>";
    let record = b"\x1c\x02\x78\0\x04caf\xe9";
    let mut tiff = b"MM\0*\0\0\0\x08\0\x04".to_vec();
    let mut data: Vec<u8> = Vec::new();
    for (tag, kind, bytes) in [
        (0x010e_u16, 2_u16, b"Hill\xc3\xa9 2\0".as_slice()),
        (0x02bc, 1, packet),
        (0x83bb, 7, record),
        (0x9286, 7, b"ASCII\0\0\0by hand"),
    ] {
        tiff.extend(tag.to_be_bytes());
        tiff.extend(kind.to_be_bytes());
        tiff.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        let at = 8 + 2 + 4 * 12 + 4 + data.len();
        tiff.extend(u32::try_from(at).unwrap().to_be_bytes());
        data.extend(bytes);
    }
    tiff.extend([0; 4]);
    tiff.extend(data);
    let of_file = found(&tiff);
    assert_eq!(of_file.exif.description.as_deref(), Some("Hillé 2"));
    assert_eq!(of_file.exif.comment.as_deref(), Some("by hand"));
    assert_eq!(xmp_description(&tiff).as_deref(), Some("x"));
    // No encoding is declared, and it is not UTF-8.
    assert_eq!(iptc_caption(&tiff).as_deref(), Some("café"));
}

#[test]
fn a_compressed_text_is_read_and_a_bomb_is_not() {
    let chunk = |kind: &[u8], data: &[u8]| {
        let size = u32::try_from(data.len()).unwrap();
        [&size.to_be_bytes(), kind, data, &[0; 4]].concat()
    };
    let compressed = |n: usize| {
        let text = "<a/>".repeat(n);
        let mut encoder =
            flate2::read::ZlibEncoder::new(text.as_bytes(), flate2::Compression::best());
        let mut bytes = b"XML:com.adobe.xmp\0\x01\0\0\0".to_vec();
        encoder.read_to_end(&mut bytes).unwrap();
        bytes
    };
    for (n, expected) in [(10, Some(40)), (1 << 20, None)] {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend(chunk(b"IHDR", &[0; 13]));
        png.extend(chunk(b"iTXt", &compressed(n)));
        png.extend(chunk(b"IEND", b""));
        assert_eq!(found(&png).xmp.map(|xmp| xmp.len()), expected);
    }
}

#[test]
fn xmp_is_read_in_all_its_spellings() {
    const HEAD: &str = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF
        xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:xap='http://ns.adobe.com/xap/1.0/'
        xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:exif='http://ns.adobe.com/exif/1.0/'>";
    const TAIL: &str = "</rdf:RDF></x:xmpmeta>";
    let parse = |about: &str| xmp::parse(format!("{HEAD}{about}{TAIL}").as_bytes()).unwrap();
    for about in [
        "<rdf:Description dc:description='one &amp; two'/>",
        "<rdf:Description><dc:description>one &amp; two</dc:description></rdf:Description>",
        "<rdf:Description/><rdf:Description><dc:description><rdf:Alt><rdf:li xml:lang='de'>eins</rdf:li>
         <rdf:li xml:lang='x-default'>one &amp; two</rdf:li></rdf:Alt></dc:description></rdf:Description>",
        "<rdf:Description><dc:description><rdf:Alt><rdf:li>one &amp; two</rdf:li></rdf:Alt>
         </dc:description></rdf:Description>",
    ] {
        assert_eq!(parse(about).description.as_deref(), Some("one & two"), "{about}");
    }
    // The history of another file, in depth, is not about this one.
    let nested = "<rdf:Description><dc:source><rdf:Description dc:description='other'/></dc:source></rdf:Description>";
    assert_eq!(parse(nested).description, None);
    let times = parse("<rdf:Description xap:CreateDate='2020' exif:DateTimeOriginal='2019'/>");
    assert_eq!(times.taken, ["2019", "2020"]);

    let wrapped = format!(
        "\u{feff}<?xpacket begin='\u{feff}' id='x'?>{HEAD}<rdf:Description dc:description='é'/>{TAIL}<?xpacket end='w'?>   \0"
    );
    let utf16: Vec<u8> = wrapped.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [wrapped.as_bytes(), &utf16] {
        assert_eq!(xmp::parse(bytes).unwrap().description.as_deref(), Some("é"));
    }
}

#[test]
fn xmp_that_means_harm_is_no_xmp() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>";
    let deep = "<a>".repeat(300_000);
    let closed = format!("{deep}{}", "</a>".repeat(300_000));
    let wide = format!("<a>{}</a>", "<b/>".repeat(200_000));
    let mut attributes = "<a ".to_owned();
    let mut names = String::new();
    for n in 0..30_000 {
        let _ = write!(attributes, "a{n}='' ");
        let _ = write!(names, "<a xmlns:a{n}='{n}'>");
    }
    attributes += "/>";
    for text in [
        bomb,
        &names,
        &deep,
        &closed,
        &wide,
        &attributes,
        "",
        "\0",
        "<",
        "{}",
    ] {
        let since = std::time::Instant::now();
        let start: String = text.chars().take(30).collect();
        assert_eq!(xmp::parse(text.as_bytes()), None, "{start}");
        assert!(since.elapsed().as_secs() < 5, "{start}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_files_are_survived(
        which in 0..8_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24),
        cut in any::<prop::sample::Index>(),
    ) {
        let names = ["shutter.jpg", "phone.heic", "scan.png", "web.webp", "clip.mov", "clip.mp4", "edited.jpg",
            "chart.png"];
        let mut file = real(names[which]);
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(cut.index(file.len()) + 1);
        let found = found(&file);
        let _ = found.xmp.as_deref().and_then(xmp::parse);
        let _ = found.iptc.as_deref().and_then(iptc::caption);
    }
}
