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
