//! Every verb of the store, with rows that may be there.

mod albums;
mod calls;
mod files;
mod keeping;

use albumen::{
    clock,
    store::{DescriptionSource, FileStat, Result, Store},
};
use jiff::Timestamp;

use super::{Bytes, looks::NOW};

/// How many verbs there are.
pub(super) const COUNT: u8 = 106;

/// Runs one; what it gives is dropped, that it ends is what counts.
pub(super) async fn run(store: &Store, verb: u8, input: &mut Bytes<'_>) -> Result<()> {
    match verb % COUNT {
        verb @ 0..10 => files::of_folders(store, verb, input).await,
        verb @ 10..26 => files::of_uploads(store, verb - 10, input).await,
        verb @ 26..36 => calls::of_plans(store, verb - 26, input).await,
        verb @ 36..52 => calls::of_answers(store, verb - 36, input).await,
        verb @ 52..62 => albums::of_albums(store, verb - 52, input).await,
        verb @ 62..78 => albums::of_the_account(store, verb - 62, input).await,
        verb @ 78..88 => keeping::of_acts(store, verb - 78, input).await,
        verb @ 88..104 => keeping::of_recovery(store, verb - 88, input).await,
        verb => albums::of_the_list(store, verb - 104, input).await,
    }
}

/// Now, or long before or after.
fn time(input: &mut Bytes) -> Timestamp {
    match input.byte() {
        0xff => clock::from_millis(input.number()),
        byte => clock::from_millis(NOW + i64::from(byte) * 3_600_000),
    }
}

fn stat(input: &mut Bytes) -> FileStat {
    let extreme = input.byte() == 0xff;
    FileStat {
        size: if extreme {
            u64::MAX
        } else {
            1 + u64::from(input.byte())
        },
        mtime_ns: input.number(),
        ctime_ns: 1,
        dev: if extreme { u64::MAX } else { 1 },
        inode: u64::from(input.byte()),
    }
}

fn words(input: &mut Bytes) -> DescriptionSource {
    DescriptionSource {
        sidecars: input.number(),
        text: (input.byte() % 2 == 1).then(|| input.text()),
    }
}
