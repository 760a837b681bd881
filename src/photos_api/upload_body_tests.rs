use std::{io::Write as _, time::Duration};

use http_body::Body as _;

use super::*;

/// More than two buffers, and no multiple of one.
const SIZE: usize = (600 << 10) + 7;

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn file(content: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

fn body(file: &Arc<File>, offset: u64, size: u64, hasher: blake3::Hasher) -> FileBody {
    let (position, bandwidth) = (Arc::default(), Bandwidth::unlimited());
    FileBody::new(Arc::clone(file), offset, size, hasher, position, bandwidth)
}

async fn drain(body: &mut FileBody) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        all.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(all)
}

#[tokio::test]
async fn a_file_is_sent_whole_and_hashed_on_the_way() {
    for size in [0, 1, 256 << 10, SIZE] {
        let content = content(size);
        let mut body = body(&file(&content), 0, size as u64, blake3::Hasher::new());
        let sent = body.sent();
        assert_eq!(body.size_hint().exact(), Some(size as u64));
        assert_eq!(sent.hash().is_some(), size == 0);
        assert_eq!(drain(&mut body).await.unwrap(), content);
        assert!(body.is_end_stream() && sent.is_whole());
        assert_eq!(sent.hash().unwrap().0, *blake3::hash(&content).as_bytes());
    }
}

#[tokio::test]
async fn stretches_of_a_file_continue_one_hash_and_one_position() {
    let content = content(SIZE);
    let file = file(&content);
    let position = Arc::new(AtomicU64::new(7));
    let part = |offset: usize, size: usize, hasher| {
        let (offset, size) = (offset as u64, size as u64);
        let (position, bandwidth) = (Arc::clone(&position), Bandwidth::unlimited());
        FileBody::new(Arc::clone(&file), offset, size, hasher, position, bandwidth)
    };
    let mut first = part(0, 300_000, blake3::Hasher::new());
    assert_eq!(drain(&mut first).await.unwrap(), content[..300_000]);
    assert_eq!(position.load(Ordering::Relaxed), 300_000);
    let hasher = first.sent().hasher().unwrap();
    let mut second = part(300_000, SIZE - 300_000, hasher);
    assert_eq!(drain(&mut second).await.unwrap(), content[300_000..]);
    assert_eq!(position.load(Ordering::Relaxed), SIZE as u64);
    let whole = second.sent().hash().unwrap();
    assert_eq!(whole.0, *blake3::hash(&content).as_bytes());
}

#[tokio::test]
async fn a_file_that_became_shorter_fails_and_leaves_its_cause() {
    let file = file(&content(SIZE));
    let mut body = body(&file, 0, SIZE as u64, blake3::Hasher::new());
    file.set_len(300 << 10).unwrap();
    let sent = body.sent();
    assert!(drain(&mut body).await.is_err());
    let error = sent.take_error().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(sent.hash(), None);
}

#[tokio::test]
async fn what_was_appended_meanwhile_is_not_sent() {
    let content = content(1000);
    let file = file(&content);
    let mut body = body(&file, 0, 900, blake3::Hasher::new());
    assert_eq!(drain(&mut body).await.unwrap(), content[..900]);
}

#[tokio::test]
async fn bodies_share_the_bandwidth() {
    let bandwidth = Bandwidth::new(100_000);
    let started = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (file, bandwidth) = (file(&content(20_000)), bandwidth.clone());
        all.spawn(async move {
            let hasher = blake3::Hasher::new();
            let mut body = FileBody::new(file, 0, 20_000, hasher, Arc::default(), bandwidth);
            drain(&mut body).await.unwrap().len()
        });
    }
    assert_eq!(all.join_all().await, [20_000; 3]);
    // 60 kB at 100 kB a second, less the last piece, which may leave as soon as its turn comes.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(350), "{took:?}");
}

#[test]
fn a_slow_line_gets_time_to_send_the_kernel_buffer() {
    let minutes = Duration::from_mins;
    // 40 MiB in 40 minutes: 4 MiB need 4 more.
    assert_eq!(time_to_drain(40 << 20, minutes(40)), minutes(4));
    // 1 MiB in 2 minutes could be held whole.
    assert_eq!(time_to_drain(1 << 20, minutes(2)), minutes(2));
    assert_eq!(time_to_drain(1 << 20, minutes(60)), EXTRA_MAX);
    assert_eq!(time_to_drain(0, minutes(1)), Duration::ZERO);
    assert!(time_to_drain(10 << 30, minutes(60)) < Duration::from_secs(2));
}
