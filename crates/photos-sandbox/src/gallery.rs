//! The page that shows what the sandbox holds: albums in their order, with pictures.

use std::fmt::Write;

use http::header;

use super::{
    answer::Answer,
    library::{Entry, Item},
    world::World,
};

/// Pictures shown of one album; a page of everything would be of no use.
const MAX_SHOWN: usize = 500;

/// Nothing but our own style, pictures and videos; no script at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet.
pub(super) fn style() -> Answer {
    Answer::text(200, "text/css; charset=utf-8", include_str!("gallery.css"))
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// The page.
pub(super) fn page(world: &World) -> Answer {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Albumen sandbox</title>\n\
         <link rel=\"stylesheet\" href=\"/sandbox/gallery.css\">\n",
    );
    let library = &world.library;
    let _ = writeln!(
        html,
        "<header><h1>Albumen sandbox</h1><p>{} in {} · {}</p></header>\n<main>",
        counted(library.items.len(), "item"),
        counted(library.albums.len(), "album"),
        size_text(library.stored_bytes),
    );
    if library.items.is_empty() && library.albums.is_empty() {
        html.push_str(
            "<p class=\"empty\">The library is empty. What is uploaded shows up here.</p>\n",
        );
    }
    for album in library
        .album_order
        .iter()
        .filter_map(|id| library.albums.get(id))
    {
        heading(&mut html, &album.title, album.n_items());
        for entry in album.entries.iter().take(MAX_SHOWN) {
            match entry {
                Entry::Item(id) => {
                    if let Some(item) = library.items.get(id) {
                        figure(&mut html, item);
                    }
                }
                Entry::Enrichment { content, .. } => {
                    let text = content["textEnrichment"]["text"]
                        .as_str()
                        .unwrap_or("a place");
                    let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(text));
                }
            }
        }
        close(&mut html, album.entries.len());
    }
    let placed = world.placed();
    let loose: Vec<&Item> = library
        .item_order
        .iter()
        .filter(|id| !placed.contains(id.as_str()))
        .filter_map(|id| library.items.get(id))
        .collect();
    if !loose.is_empty() {
        heading(&mut html, "In no album", loose.len());
        loose
            .iter()
            .take(MAX_SHOWN)
            .for_each(|item| figure(&mut html, item));
        close(&mut html, loose.len());
    }
    html.push_str("</main>\n</html>\n");
    Answer::text(200, "text/html; charset=utf-8", html)
        .with(header::CONTENT_SECURITY_POLICY, POLICY)
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::CACHE_CONTROL, "no-store")
}

fn heading(html: &mut String, title: &str, n_items: usize) {
    let _ = writeln!(
        html,
        "<section><h2>{} <small>{}</small></h2>\n<div class=\"pictures\">",
        escaped(title),
        counted(n_items, "item"),
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
    let name = escaped(&item.filename);
    let source = format!("/sandbox/bytes/{}", item.id);
    let _ = write!(html, "<figure>");
    if item.media.is_video {
        let _ = write!(
            html,
            "<video src=\"{source}\" preload=\"metadata\" controls muted></video>"
        );
    } else {
        let _ = write!(
            html,
            "<a href=\"{source}\"><img src=\"{source}\" alt=\"{name}\" loading=\"lazy\"></a>"
        );
    }
    let _ = write!(html, "<figcaption title=\"{name}\">{name}</figcaption>");
    if !item.description.is_empty() {
        let _ = write!(
            html,
            "<p class=\"description\">{}</p>",
            escaped(&item.description)
        );
    }
    html.push_str("</figure>\n");
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn size_text(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().si().to_string()
}

/// Text for a page: nothing in it is markup, and control and direction characters are shown as codes.
fn escaped(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_bring_markup_or_turn_the_text_around() {
        assert_eq!(
            escaped("<b onload=\"x\">'&\u{202e}gpj\n"),
            "&lt;b onload=&quot;x&quot;&gt;&#39;&amp;\\u{202e}gpj\\n"
        );
    }

    #[test]
    fn an_empty_library_says_so() {
        let answer = page(&World::default());
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.contains("The library is empty"));
    }
}
