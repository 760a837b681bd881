//! Changes to an input: small ones of bytes, larger ones of stretches, words of the seeds in new places.

use fastrand::Rng;

/// The most bytes of an input; what is larger is cut.
const MOST: usize = 64 << 10;

/// Numbers at which lengths, offsets and times tip over.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Text that tips parsers over.
const WORDS: [&[u8]; 26] = [
    b"-1",
    b"0",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e400",
    b"-0.0",
    b"NaN",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\"\"",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3\x28",
    b"\0",
    b"\r\n",
    b"%00",
    b"%ff",
    b"../",
    b"\x1b[2J",
    "\u{202e}".as_bytes(),
    "9999-12-31T23:59:59.999999999Z".as_bytes(),
];

/// An input made of `input` by a few changes; `others` lend stretches of theirs.
pub(crate) fn changed(input: &[u8], others: &[Vec<u8>], chance: &mut Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..1 << chance.u32(0..5) {
        change(&mut bytes, others, chance);
    }
    bytes.truncate(MOST);
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], chance: &mut Rng) {
    let at = chance.usize(0..=bytes.len());
    let stretch = stretch(bytes.len(), chance);
    match chance.u32(0..12) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.u32(0..8),
        1 if at < bytes.len() => bytes[at] = chance.u8(..),
        2 => bytes.insert(at, chance.u8(..)),
        3 => drop(bytes.drain(stretch)),
        4 => {
            let copy = bytes[stretch].to_vec();
            insert(bytes, at, &copy);
        }
        5 => {
            let copy = bytes[stretch].to_vec();
            overwrite(bytes, at, &copy);
        }
        6 => edge(bytes, at, chance),
        7 => {
            let word = chance.choice(WORDS).unwrap_or_default();
            insert(bytes, at, word);
        }
        8 => number(bytes, at, chance),
        9 => bytes.truncate(at),
        10 => {
            if let Some(other) = chance.choice(others) {
                let piece = &other[self::stretch(other.len(), chance)];
                if chance.bool() {
                    insert(bytes, at, piece);
                } else {
                    overwrite(bytes, at, piece);
                }
            }
        }
        _ => {
            // Nesting and repetition: the same stretch many times over.
            let copy = bytes[stretch].to_vec();
            let times = 1 << chance.u32(0..11);
            if copy.len() * times <= MOST {
                insert(bytes, at, &copy.repeat(times));
            }
        }
    }
}

fn stretch(len: usize, chance: &mut Rng) -> std::ops::Range<usize> {
    let start = chance.usize(0..=len);
    let most = if chance.bool() { 16 } else { len };
    start..start + chance.usize(0..=most.min(len - start))
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(bytes.splice(at..at, piece.iter().copied()));
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = bytes.len().min(at + piece.len());
    drop(bytes.splice(at..end, piece.iter().copied()));
}

/// Writes a number at its edge over what is there, in one of the two byte orders.
fn edge(bytes: &mut Vec<u8>, at: usize, chance: &mut Rng) {
    let edge = chance.choice(EDGES).unwrap_or_default();
    let near = edge.wrapping_add(chance.u64(0..3)).wrapping_sub(1);
    let n = 1 << chance.usize(0..4);
    if chance.bool() {
        overwrite(bytes, at, &near.to_be_bytes()[8 - n..]);
    } else {
        overwrite(bytes, at, &near.to_le_bytes()[..n]);
    }
}

/// Writes another number in place of the digits that follow.
fn number(bytes: &mut Vec<u8>, at: usize, chance: &mut Rng) {
    let Some(start) = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else {
        return;
    };
    let end = (start..bytes.len())
        .find(|at| !bytes[*at].is_ascii_digit())
        .unwrap_or(bytes.len());
    let number = match chance.u32(0..3) {
        0 => chance.u64(0..100),
        1 => chance.u64(..),
        _ => chance.choice(EDGES).unwrap_or_default(),
    };
    drop(bytes.splice(start..end, number.to_string().into_bytes()));
}
