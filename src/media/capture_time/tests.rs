use std::io::{self, Cursor, SeekFrom, Write};

use proptest::prelude::*;

use super::*;

const MTIME: &str = "2020-02-02T02:02:02.25Z";

fn when<R: Read + Seek>(file: &mut R, name: &str, zone: &str) -> (String, Source) {
    let mtime: Timestamp = MTIME.parse().unwrap();
    let zone = TimeZone::get(zone).unwrap();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let mtime_ns = i64::try_from(mtime.as_nanosecond()).unwrap();
    let taken = taken(file, OsStr::new(name), mtime_ns, &zone, now);
    (taken.instant.to_string(), taken.source)
}

/// A JPEG whose EXIF directory holds these text tags.
fn jpeg(tags: &[(u16, &str)]) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    let mut texts = Vec::new();
    let texts_at = tiff.len() + 2 + 12 * tags.len() + 4;
    tiff.extend(u16::try_from(tags.len()).unwrap().to_be_bytes());
    for (tag, text) in tags {
        let bytes = [text.as_bytes(), b"\0"].concat();
        tiff.extend(tag.to_be_bytes());
        tiff.extend(2_u16.to_be_bytes());
        tiff.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        if bytes.len() <= 4 {
            let mut inline = bytes;
            inline.resize(4, 0);
            tiff.extend(inline);
        } else {
            let at = u32::try_from(texts_at + texts.len()).unwrap();
            tiff.extend(at.to_be_bytes());
            texts.extend(bytes);
        }
    }
    tiff.extend([0; 4]);
    tiff.extend(texts);
    let mut file = b"\xff\xd8\xff\xe1".to_vec();
    file.extend(u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    file.extend(b"Exif\0\0");
    file.extend(tiff);
    file.extend(b"\xff\xda\0\x02");
    file.extend([0x55; 500]);
    file
}

fn boxed(name: &[u8], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), name, content].concat()
}

/// `moov` with the creation time in seconds since 1904, in the short or the long form.
fn moov(seconds: u64, long: bool) -> Vec<u8> {
    let mut mvhd = vec![u8::from(long), 0, 0, 0];
    if long {
        mvhd.extend(seconds.to_be_bytes());
    } else {
        mvhd.extend(u32::try_from(seconds).unwrap().to_be_bytes());
    }
    mvhd.extend([0; 12]);
    mvhd.extend([1; 90]);
    boxed(b"moov", &boxed(b"mvhd", &mvhd))
}

/// 2024-05-01T10:11:12Z in seconds since 1904.
const MAY: u64 = 3_797_403_072;

fn movie(moov: &[u8]) -> Vec<u8> {
    let head = boxed(b"ftyp", b"isom\0\0\0\0isommp42");
    [head, boxed(b"mdat", &[7; 300]), moov.to_vec()].concat()
}

#[test]
fn exif_time_is_taken_with_fraction_and_offset() {
    let all = jpeg(&[
        (0x9003, "2024:05:01 10:11:12"),
        (0x9011, "+05:30"),
        (0x9291, "345"),
    ]);
    let expected = ("2024-05-01T04:41:12.345Z".to_owned(), Source::Exif);
    assert_eq!(
        when(&mut Cursor::new(all), "a.jpg", "Europe/Berlin"),
        expected
    );
}

#[test]
fn exif_time_without_offset_is_in_the_zone_of_the_folder() {
    let plain = jpeg(&[(0x9003, "2024:05:01 10:11:12")]);
    for (zone, expected) in [
        ("Europe/Berlin", "2024-05-01T08:11:12Z"),
        ("America/New_York", "2024-05-01T14:11:12Z"),
        ("UTC", "2024-05-01T10:11:12Z"),
    ] {
        assert_eq!(when(&mut Cursor::new(&plain), "a.jpg", zone).0, expected);
    }
}

#[test]
fn blank_and_impossible_exif_times_are_passed_over() {
    for bad in [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2024:13:45 99:00:00",
        "2031:01:01 00:00:00",
        "1700:01:01 00:00:00",
        "nonsense",
    ] {
        let second = jpeg(&[(0x9003, bad), (0x9004, "2023:01:01 00:00:00")]);
        let expected = ("2023-01-01T00:00:00Z".to_owned(), Source::Exif);
        assert_eq!(
            when(&mut Cursor::new(second), "a.jpg", "UTC"),
            expected,
            "{bad}"
        );
        let only = jpeg(&[(0x9003, bad)]);
        let expected = (MTIME.to_owned(), Source::Modified);
        assert_eq!(
            when(&mut Cursor::new(only), "a.jpg", "UTC"),
            expected,
            "{bad}"
        );
    }
    // A scan of an old photo says so.
    let old = jpeg(&[(0x9003, "1931:06:01 12:00:00")]);
    assert_eq!(
        when(&mut Cursor::new(old), "a.jpg", "UTC").0,
        "1931-06-01T12:00:00Z"
    );
}

#[test]
fn video_time_is_greenwich_time_in_its_short_and_long_form() {
    for long in [false, true] {
        let file = movie(&moov(MAY, long));
        let expected = ("2024-05-01T10:11:12Z".to_owned(), Source::Video);
        assert_eq!(
            when(&mut Cursor::new(file), "a.mp4", "Europe/Berlin"),
            expected
        );
        // No clock in the camera: 1904 is no answer.
        let zero = movie(&moov(0, long));
        let (_, source) = when(&mut Cursor::new(zero), "VID_20240501_101112.mp4", "UTC");
        assert_eq!(source, Source::FileName);
    }
}

#[test]
fn a_time_with_its_offset_is_found_without_the_whole_header() {
    // As FFmpeg and ExifTool write it: among named values, and another one in the header.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/clip.mov");
    let mut file = std::fs::File::open(path).unwrap();
    let times = video::times(&mut file).unwrap();
    assert_eq!(times.said.as_deref(), Some("2024-05-01T16:00:00+0200"));
    let created = times.created.and_then(|s| Timestamp::from_second(s).ok());
    assert_eq!(created.unwrap().to_string(), "2020-01-01T00:00:00Z");
    let (instant, source) = when(&mut file, "a.mov", "UTC");
    assert_eq!(
        (instant.as_str(), source),
        ("2024-05-01T14:00:00Z", Source::Video)
    );
}

#[test]
fn what_a_program_wrote_counts_before_the_name() {
    for (name, expected) in [
        ("edited.jpg", "2024-05-01T16:00:00Z"),
        ("chart.png", "2024-05-01T17:00:00Z"),
    ] {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        let mut file = std::fs::File::open(format!("{dir}{name}")).unwrap();
        let (instant, source) = when(&mut file, "IMG_20200101_000000.jpg", "UTC");
        assert_eq!((instant.as_str(), source), (expected, Source::Written));
    }
}

/// Counts what is read of it.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1 += n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_huge_video_costs_a_few_megabytes_at_most() {
    let mut file = tempfile::tempfile().unwrap();
    let media = 3_u64 << 30;
    file.write_all(&boxed(b"ftyp", b"isom\0\0\0\0isommp42"))
        .unwrap();
    file.write_all(b"\0\0\0\x01mdat").unwrap();
    file.write_all(&media.to_be_bytes()).unwrap();
    file.seek(SeekFrom::Current(i64::try_from(media - 16).unwrap()))
        .unwrap();
    // Far more header than the library may read.
    let mut header = moov(MAY, false);
    header.extend(boxed(b"trak", &vec![0; 32 << 20]));
    let content = header.split_off(8);
    file.write_all(&boxed(b"moov", &content)).unwrap();
    let mut counted = Counted(file, 0);
    let (instant, source) = when(&mut counted, "a.mp4", "UTC");
    assert_eq!(
        (instant.as_str(), source),
        ("2024-05-01T10:11:12Z", Source::Video)
    );
    assert!(counted.1 <= READ_LIMIT + 4_096, "{} bytes read", counted.1);
}

#[test]
fn without_a_time_inside_the_name_counts_and_then_the_last_change() {
    let mut noise = Cursor::new(vec![9; 5_000]);
    let (instant, source) = when(&mut noise, "IMG_20240501_101112.avi", "UTC");
    assert_eq!(
        (instant.as_str(), source),
        ("2024-05-01T10:11:12Z", Source::FileName)
    );
    let (instant, source) = when(&mut noise, "MVI_1234.avi", "UTC");
    assert_eq!((instant.as_str(), source), (MTIME, Source::Modified));
    let (_, source) = when(&mut Cursor::new([]), "empty.jpg", "UTC");
    assert_eq!(source, Source::Modified);
}

proptest! {
    #[test]
    fn damaged_files_are_survived(
        which in 0..4_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = match which {
            0 => jpeg(&[(0x9003, "2024:05:01 10:11:12"), (0x9011, "+05:30"), (0x9291, "345")]),
            1 => movie(&moov(MAY, false)),
            2 => jpeg(&[(0x9003, "2024:05:01 10:11:12")]).split_off(12),
            _ => boxed(b"ftyp", b"heic\0\0\0\0mif1heic").into_iter().chain(jpeg(&[])).collect(),
        };
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(cut.index(file.len()) + 1);
        when(&mut Cursor::new(file), "a.jpg", "UTC");
    }
}

#[test]
fn a_parser_that_panics_has_no_answer() {
    let answer = quietly(|| {
        let nothing: [u8; 0] = [];
        // As parsers do it: a length of the file is believed.
        Some(nothing[nothing.len()..][usize::from(u8::MAX)])
    });
    assert_eq!(answer, None);
    assert_eq!(quietly(|| Some(7)), Some(7));
}
