//! The bytes of media items: for the gallery, and behind `baseUrl` (fact sheet, section 4.3).

use axum::body::Body;
use http::{HeaderMap, header};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::{answer::Answer, server::Shared};

/// Bytes read from the disk at once.
const PIECE: usize = 64 << 10;

/// `/sandbox/bytes/{id}`.
pub(super) async fn by_id(shared: &Shared, id: &str, headers: &HeaderMap) -> Answer {
    send(shared, id, headers).await
}

/// `/lr/{id}/{expiry}`, followed by parameters such as `=d` or `=w200-h100`. The sandbox does not
/// scale: whatever the parameters ask, the bytes are those that were uploaded.
pub(super) async fn by_base_url(shared: &Shared, rest: &str, headers: &HeaderMap) -> Answer {
    let (address, _parameters) = rest.split_once('=').unwrap_or((rest, ""));
    let Some((id, expiry)) = address.split_once('/') else {
        return missing();
    };
    match expiry.parse::<i64>() {
        Ok(expiry) if shared.clock.now() < expiry => send(shared, id, headers).await,
        Ok(_) => Answer::text(
            403,
            "text/html; charset=UTF-8",
            "<h1>403</h1> This address has expired.\n",
        ),
        Err(_) => missing(),
    }
}

fn missing() -> Answer {
    // The service answers a missing picture with a picture (fact sheet, section 8.1).
    Answer::text(404, "image/gif", &b"GIF89a\x01\0\x01\0\0\0\0;"[..])
}

async fn send(shared: &Shared, id: &str, headers: &HeaderMap) -> Answer {
    let found = {
        let world = shared.world();
        let item = world.library.items.get(id);
        item.map(|item| (item.sha256.clone(), item.media.mime.clone()))
    };
    let Some((sha256, mime)) = found else {
        return missing();
    };
    let Ok(mut file) = tokio::fs::File::open(shared.blobs.path(&sha256)).await else {
        return missing();
    };
    let Ok(size) = file.metadata().await.map(|metadata| metadata.len()) else {
        return missing();
    };
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| range(text, size));
    let (start, end) = range.unwrap_or((0, size));
    if file.seek(std::io::SeekFrom::Start(start)).await.is_err() {
        return missing();
    }
    let stream = ReaderStream::with_capacity(file.take(end - start), PIECE);
    let mut answer = Answer::empty(if range.is_some() { 206 } else { 200 })
        .with(header::CONTENT_TYPE, &mime)
        .with(header::CONTENT_LENGTH, &(end - start).to_string())
        .with(header::ACCEPT_RANGES, "bytes")
        .with(header::CACHE_CONTROL, "private, max-age=86400")
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        );
    if range.is_some() {
        let range = format!("bytes {start}-{}/{size}", end - 1);
        answer = answer.with(header::CONTENT_RANGE, &range);
    }
    answer.stream = Some(Body::from_stream(stream));
    answer
}

/// One range of bytes, as start and end; all other kinds of ranges get everything.
fn range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (start, end) {
        ("", last) => (size.checked_sub(last.parse().ok()?)?, size),
        (start, "") => (start.parse().ok()?, size),
        (start, end) => (
            start.parse().ok()?,
            end.parse::<u64>().ok()?.checked_add(1)?,
        ),
    };
    (start < end.min(size)).then_some((start, end.min(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file() {
        assert_eq!(range("bytes=0-", 10), Some((0, 10)));
        assert_eq!(range("bytes=2-3", 10), Some((2, 4)));
        assert_eq!(range("bytes=2-99", 10), Some((2, 10)));
        assert_eq!(range("bytes=-4", 10), Some((6, 10)));
        assert_eq!(range("bytes=10-", 10), None);
        assert_eq!(range("bytes=1-2,4-5", 10), None);
        assert_eq!(range("bytes=0-18446744073709551615", 10), None);
    }
}
