//! Small files that are what they say they are.

/// A JPEG of a size in pixels; `seed` makes the bytes differ.
pub(crate) fn jpeg(width: u16, height: u16, seed: u64) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    bytes.extend(b"\xff\xfe\0\x0a");
    bytes.extend(seed.to_be_bytes());
    bytes.extend(b"\xff\xc0\0\x11\x08");
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x11\0\x02\x11\x01\x03\x11\x01\xff\xd9");
    bytes
}

/// A picture whose size and name do not matter.
pub(crate) fn photo(seed: u64) -> Vec<u8> {
    jpeg(40, 30, seed)
}

/// The head of an MP4, followed by so many bytes.
pub(crate) fn video(seed: u64, n_bytes: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
    let mut state = seed | 1;
    while bytes.len() < n_bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(n_bytes.max(24));
    bytes
}

/// A picture that says when its camera took it, as `2024:05:01 10:11:12`.
pub(crate) fn photo_taken(seed: u64, taken: &str) -> Vec<u8> {
    const ORIGINAL: [u8; 2] = [0x90, 0x03];
    // A directory that leads to a second one, which holds one text of 20 bytes.
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    tiff.extend([0, 1]);
    tiff.extend(ORIGINAL);
    tiff.extend([0, 2, 0, 0, 0, 20, 0, 0, 0, 44, 0, 0, 0, 0]);
    tiff.extend(taken.as_bytes());
    tiff.push(0);
    let mut exif = b"\xff\xe1".to_vec();
    exif.extend(u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    exif.extend(b"Exif\0\0");
    exif.extend(tiff);
    let plain = photo(seed);
    let (start, rest) = plain.split_at(2);
    // A parser may want to see that the picture itself begins.
    [start, &exif, rest, b"\xff\xda\0\x02", &[0x55; 500]].concat()
}
