//! What a person reads out of XMP: the description, and when the picture was taken.
//!
//! A property is an attribute or an element of an `rdf:Description` that stands in `rdf:RDF` itself;
//! deeper ones tell the history of other files. The parser takes no entity declarations, so a small
//! packet is small work.

use roxmltree::{Document, Node, ParsingOptions};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const EXIF: &str = "http://ns.adobe.com/exif/1.0/";
const XAP: &str = "http://ns.adobe.com/xap/1.0/";
const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The properties that tell when a picture was taken, the one of the shutter first.
const TAKEN: [(&str, &str); 3] = [
    (EXIF, "DateTimeOriginal"),
    (XAP, "CreateDate"),
    (PHOTOSHOP, "DateCreated"),
];

/// At most so many nodes are made of a packet; a real one has some hundreds.
const MAX_NODES: u32 = 65_536;

/// At most so many attributes are taken in one element, and declarations of namespaces in all: the
/// parser compares each with all before it. Lightroom's settings come to some hundreds.
const MAX_ATTRIBUTES: usize = 4_096;
const MAX_DECLARATIONS: usize = 512;

/// What a packet says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Xmp {
    /// `dc:description` in its default language.
    pub(crate) description: Option<String>,
    /// The times that it gives for the moment of the shot, as they are written, the best first.
    pub(crate) taken: Vec<String>,
}

/// Reads a packet or a sidecar; none if it is not XMP.
pub(crate) fn parse(bytes: &[u8]) -> Option<Xmp> {
    let text = text(bytes)?;
    if is_laborious(&text) {
        return None;
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&text, options).ok()?;
    let rdf = document
        .descendants()
        .find(|node| node.has_tag_name((RDF, "RDF")))?;
    let about: Vec<_> = rdf
        .children()
        .filter(|node| node.has_tag_name((RDF, "Description")))
        .collect();
    let property = |name| about.iter().find_map(|node| value(*node, name));
    Some(Xmp {
        description: property((DC, "description")),
        taken: TAKEN.into_iter().filter_map(property).collect(),
    })
}

/// Whether the parser would be kept busy for long.
fn is_laborious(text: &str) -> bool {
    let attributes = |tag: &str| tag.bytes().filter(|byte| *byte == b'=').count();
    text.split('<').any(|tag| attributes(tag) > MAX_ATTRIBUTES)
        || text.matches("xmlns").count() > MAX_DECLARATIONS
}

/// The packet as text: UTF-8, or UTF-16 by its byte order mark.
fn text(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).filter_map(|pair| match pair {
            &[a, b] => Some(unit([a, b])),
            _ => None,
        });
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .ok()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok()?.to_owned(),
        _ => std::str::from_utf8(bytes).ok()?.to_owned(),
    };
    // Packets are padded; some end in zeros, some begin with a mark inside the wrapper.
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    Some(text.to_owned())
}

/// The value of a property, if it has any text.
fn value(about: Node<'_, '_>, name: (&str, &str)) -> Option<String> {
    let written = match about.attribute(name) {
        Some(value) => value.to_owned(),
        None => element(about.children().find(|node| node.has_tag_name(name))?),
    };
    (!written.trim().is_empty()).then_some(written)
}

/// The text of a property's element; of alternatives in several languages the default one, which the
/// specification puts first.
fn element(property: Node<'_, '_>) -> String {
    let alternatives: Vec<_> = property
        .descendants()
        .filter(|node| node.has_tag_name((RDF, "li")))
        .collect();
    let chosen = alternatives
        .iter()
        .find(|li| li.attribute((XML, "lang")) == Some("x-default"))
        .or(alternatives.first())
        .copied()
        .unwrap_or(property);
    chosen
        .children()
        .filter_map(|child| child.is_text().then(|| child.text()).flatten())
        .collect()
}
