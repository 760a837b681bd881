//! The gallery page, and the bytes of media items: for the gallery and for `baseUrl` (fact sheet, section
//! 4.3).

use std::{collections::HashSet, fmt::Write, io::SeekFrom};

use axum::body::Body;
use http::{HeaderMap, header};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::{
    discovery::header_text,
    errors::Response,
    state::{Album, Entry, Item, Shared, State},
};

/// Bytes read from the disk at once.
const PIECE: usize = 64 << 10;

/// Items shown per album, so that the page stays small.
const MAX_SHOWN: usize = 500;

/// Only our own style sheet, pictures and videos; no scripts.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet.
pub(crate) fn style() -> Response {
    Response::text(200, "text/css; charset=utf-8", include_str!("gallery.css"))
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// The page.
pub(crate) fn page(state: &State) -> Response {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Photos sandbox</title>\n\
         <link rel=\"stylesheet\" href=\"/sandbox/gallery.css\">\n",
    );
    let library = &state.library;
    let _ = writeln!(
        html,
        "<header><h1>Photos sandbox</h1><p>{} in {} · {}</p></header>\n<main>",
        count(library.items.len(), "item"),
        count(library.albums.len(), "album"),
        bytesize::ByteSize::b(library.stored_bytes).display().si(),
    );
    if library.items.is_empty() && library.albums.is_empty() {
        html.push_str(
            "<p class=\"empty\">The library is empty. What is uploaded shows up here.</p>\n",
        );
    }
    for album in library.albums_in_order() {
        heading(&mut html, &album.title, album.n_items());
        for entry in album.entries.iter().take(MAX_SHOWN) {
            match entry {
                Entry::Item(id) => {
                    if let Some(item) = library.items.get(id) {
                        figure(&mut html, item);
                    }
                }
                Entry::Enrichment { content, .. } => {
                    let text = content["textEnrichment"]["text"].as_str();
                    let text = escape(text.unwrap_or("a place"));
                    let _ = writeln!(html, "<p class=\"note\">{text}</p>");
                }
            }
        }
        close(&mut html, album.entries.len());
    }
    let albums = library.albums.values();
    let placed: HashSet<&str> = albums.flat_map(Album::item_ids).collect();
    let loose = library.items_in_order();
    let loose: Vec<&Item> = loose
        .filter(|item| !placed.contains(item.id.as_str()))
        .collect();
    if !loose.is_empty() {
        heading(&mut html, "In no album", loose.len());
        let shown = loose.iter().take(MAX_SHOWN);
        shown.for_each(|item| figure(&mut html, item));
        close(&mut html, loose.len());
    }
    html.push_str("</main>\n</html>\n");
    Response::text(200, "text/html; charset=utf-8", html)
        .with(header::CONTENT_SECURITY_POLICY, POLICY)
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::CACHE_CONTROL, "no-store")
}

fn heading(html: &mut String, title: &str, n_items: usize) {
    let _ = writeln!(
        html,
        "<section><h2>{} <small>{}</small></h2>\n<div class=\"pictures\">",
        escape(title),
        count(n_items, "item"),
    );
}

fn close(html: &mut String, n_entries: usize) {
    html.push_str("</div>");
    if n_entries > MAX_SHOWN {
        let _ = write!(
            html,
            "<p class=\"note\">and {} more</p>",
            n_entries - MAX_SHOWN
        );
    }
    html.push_str("</section>\n");
}

fn figure(html: &mut String, item: &Item) {
    let name = escape(&item.filename);
    let source = format!("/sandbox/bytes/{}", item.id);
    let picture = if item.media.is_video {
        format!("<video src=\"{source}\" preload=\"metadata\" controls muted></video>")
    } else {
        format!("<a href=\"{source}\"><img src=\"{source}\" alt=\"{name}\" loading=\"lazy\"></a>")
    };
    let caption = format!("<figcaption title=\"{name}\">{name}</figcaption>");
    let _ = write!(html, "<figure>{picture}{caption}");
    if !item.description.is_empty() {
        let text = escape(&item.description);
        let _ = write!(html, "<p class=\"description\">{text}</p>");
    }
    html.push_str("</figure>\n");
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Text as HTML, with control and bidirectional characters shown as codes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c if c.is_control() => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}

/// `/sandbox/bytes/{id}`.
pub(crate) async fn by_id(shared: &Shared, id: &str, headers: &HeaderMap) -> Response {
    send(shared, id, headers).await
}

/// `/lr/{id}/{expiry}`, followed by parameters such as `=d` or `=w200-h100`. The sandbox does not
/// scale: it always sends the uploaded bytes.
pub(crate) async fn by_base_url(shared: &Shared, rest: &str, headers: &HeaderMap) -> Response {
    let (address, _parameters) = rest.split_once('=').unwrap_or((rest, ""));
    let Some((id, expiry)) = address.split_once('/') else {
        return missing();
    };
    match expiry.parse::<i64>() {
        Ok(expiry) if shared.state().now < expiry => send(shared, id, headers).await,
        Ok(_) => Response::text(
            403,
            "text/html; charset=UTF-8",
            "<h1>403</h1> This address has expired.\n",
        ),
        Err(_) => missing(),
    }
}

fn missing() -> Response {
    // The service answers a missing picture with a picture (fact sheet, section 8.1).
    Response::text(404, "image/gif", &b"GIF89a\x01\0\x01\0\0\0\0;"[..])
}

async fn send(shared: &Shared, id: &str, headers: &HeaderMap) -> Response {
    let found = {
        let state = shared.state();
        let item = state.library.items.get(id);
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
    let range = range(header_text(headers, header::RANGE.as_str()), size);
    let (start, end) = range.unwrap_or((0, size));
    if file.seek(SeekFrom::Start(start)).await.is_err() {
        return missing();
    }
    let stream = ReaderStream::with_capacity(file.take(end - start), PIECE);
    let mut response = Response::empty(if range.is_some() { 206 } else { 200 })
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
        response = response.with(header::CONTENT_RANGE, &range);
    }
    response.stream = Some(Body::from_stream(stream));
    response
}

/// Start and end of one range of bytes; none for all other kinds of ranges.
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
    fn names_cannot_contain_markup_or_reverse_the_text() {
        assert_eq!(
            escape("<b onload=\"x\">'&\u{202e}gpj\n"),
            "&lt;b onload=&quot;x&quot;&gt;&#39;&amp;\\u{202e}gpj\\n"
        );
    }

    #[test]
    fn an_empty_library_says_so() {
        let response = page(&State::default());
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(text.contains("The library is empty"));
    }

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
