//! Photos that say when they were taken.

/// A JPEG of a size in pixels with the time of the camera's wall clock; `seed` makes the bytes differ.
pub(crate) fn dated_of(width: u16, height: u16, time: &str, seed: u64) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let mut bytes = tag.to_be_bytes().to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend(value.to_be_bytes());
        bytes
    };
    // The first directory is at 8 and names the EXIF one at 26, which names the time at 44.
    let mut tiff = b"MM\0*\0\0\0\x08".to_vec();
    tiff.extend(1_u16.to_be_bytes());
    tiff.extend(entry(0x8769, 4, 1, 26));
    tiff.extend(0_u32.to_be_bytes());
    tiff.extend(1_u16.to_be_bytes());
    tiff.extend(entry(0x9003, 2, 20, 44));
    tiff.extend(0_u32.to_be_bytes());
    tiff.extend(time.as_bytes());
    tiff.push(0);
    let mut jpeg = b"\xff\xd8\xff\xe1".to_vec();
    jpeg.extend(u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    jpeg.extend(b"Exif\0\0");
    jpeg.extend(tiff);
    jpeg.extend(b"\xff\xfe\0\x0a");
    jpeg.extend(seed.to_be_bytes());
    jpeg.extend(b"\xff\xc0\0\x11\x08");
    jpeg.extend(height.to_be_bytes());
    jpeg.extend(width.to_be_bytes());
    jpeg.extend(b"\x03\x01\x11\0\x02\x11\x01\x03\x11\x01");
    jpeg.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0");
    jpeg.extend([0; 64]);
    jpeg.extend(b"\xff\xd9");
    jpeg
}

/// A photo that was taken as the `minute`th of these tests, and says so.
pub(crate) fn dated(minute: u64, seed: u64) -> Vec<u8> {
    let time = format!("2024:05:01 {:02}:{:02}:00", 12 + minute / 60, minute % 60);
    dated_of(40, 30, &time, seed)
}

/// The head of an MP4 of a size in pixels that was made so many seconds after 1970; `seed` makes the
/// bytes differ.
pub(crate) fn movie(width: u32, height: u32, seconds: u32, seed: u64) -> Vec<u8> {
    let boxed = |name: &[u8; 4], content: &[u8]| {
        let mut bytes = u32::try_from(content.len() + 8)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        bytes.extend(name);
        bytes.extend(content);
        bytes
    };
    // From 1904 to 1970.
    let made = (2_082_844_800 + seconds).to_be_bytes();
    let matrix: Vec<u8> = [0x1_0000_u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let mut mvhd = vec![0; 4];
    mvhd.extend(made);
    mvhd.extend(made);
    mvhd.extend([0, 0, 3, 232, 0, 0, 3, 232, 0, 1, 0, 0, 1, 0]);
    mvhd.extend([0; 10]);
    mvhd.extend(&matrix);
    mvhd.extend([0; 24]);
    mvhd.extend(2_u32.to_be_bytes());
    let mut tkhd = vec![0, 0, 0, 3];
    tkhd.extend(made);
    tkhd.extend(made);
    tkhd.extend(1_u32.to_be_bytes());
    tkhd.extend([0; 4]);
    tkhd.extend(1000_u32.to_be_bytes());
    tkhd.extend([0; 16]);
    tkhd.extend(&matrix);
    tkhd.extend((width << 16).to_be_bytes());
    tkhd.extend((height << 16).to_be_bytes());
    let mut moov = boxed(b"mvhd", &mvhd);
    moov.extend(boxed(b"trak", &boxed(b"tkhd", &tkhd)));
    let mut movie = boxed(b"ftyp", b"mp42\0\0\0\0mp42isom");
    movie.extend(boxed(b"moov", &moov));
    movie.extend(boxed(
        b"mdat",
        &[&seed.to_be_bytes()[..], &[7; 256]].concat(),
    ));
    movie
}
