//! Pages of lists, with the oddities that a client has to expect (fact sheet, section 4.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    discovery::{Pairs, param},
    errors::Refusal,
    state::State,
};

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct PageRequest {
    page_size: i64,
    page_token: String,
    /// All other parameters of the list: they have to be the same for each page.
    parameters: String,
}

impl PageRequest {
    /// From a query string. Its types were checked before.
    pub(crate) fn of_query(query: &Pairs, list: &str) -> Self {
        Self {
            page_size: param(query, "pageSize").parse().unwrap_or(0),
            page_token: param(query, "pageToken").to_owned(),
            parameters: list.to_owned(),
        }
    }

    pub(crate) fn of_body(body: &Value) -> Self {
        let mut parameters = body.clone();
        if let Some(fields) = parameters.as_object_mut() {
            fields.retain(|name, _| name != "pageToken" && name != "pageSize");
        }
        Self {
            page_size: body["pageSize"].as_i64().unwrap_or(0),
            page_token: body["pageToken"].as_str().unwrap_or("").to_owned(),
            parameters: parameters.to_string(),
        }
    }
}

/// The response with one page of a list, whose entries are in `field`. `sizes` are the default and the
/// greatest page size.
pub(crate) fn page(
    state: &mut State,
    request: &PageRequest,
    sizes: (usize, usize),
    (field, ids): (&str, &[String]),
    to_json: impl Fn(&State, &String) -> Option<Value>,
) -> Result<Value, Refusal> {
    let (ids, next) = cut(state, request, sizes, ids)?;
    let entries: Vec<Value> = ids.iter().filter_map(|id| to_json(state, id)).collect();
    // An empty list is not written at all (fact sheet, section 4.3).
    let mut response = Map::new();
    if !entries.is_empty() {
        response.insert(field.to_owned(), entries.into());
    }
    if let Some(next) = next {
        response.insert("nextPageToken".to_owned(), next.into());
    }
    Ok(response.into())
}

/// The ids of a page, and the token of the next one.
fn cut<'a>(
    state: &mut State,
    request: &PageRequest,
    (default, max): (usize, usize),
    ids: &'a [String],
) -> Result<(&'a [String], Option<String>), Refusal> {
    let size = match usize::try_from(request.page_size) {
        Ok(0) => default,
        Ok(size) => {
            if size > max {
                state
                    .log
                    .broken("page_size", format!("{size} is over {max}"));
            }
            size.min(max)
        }
        Err(_) => return Err(Refusal::rule("page_size")),
    };
    let key = URL_SAFE_NO_PAD.encode(&Sha256::digest(&request.parameters)[..9]);
    let (start, number) = if request.page_token.is_empty() {
        (0, 0)
    } else {
        decode(&request.page_token, &key).ok_or_else(|| Refusal::rule("page_token"))?
    };
    let start = start.min(ids.len());
    // With oddities the second page is empty, and later ones are short and repeat an entry.
    let (from, end) = match (state.settings.list_oddities, number) {
        (false, _) | (true, 0) => (start, start + size),
        (true, 1) => (start, start),
        (true, _) => (start.saturating_sub(1), start + size.div_ceil(2)),
    };
    let end = end.min(ids.len());
    let next = (end < ids.len()).then(|| encode(end, number.saturating_add(1), &key));
    Ok((&ids[from..end], next))
}

fn encode(start: usize, number: usize, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{start}/{number}/{key}"))
}

fn decode(token: &str, key: &str) -> Option<(usize, usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.split('/');
    let start = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    (parts.next()? == key).then_some((start, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(page_size: i64, page_token: &str, parameters: &str) -> PageRequest {
        PageRequest {
            page_size,
            page_token: page_token.to_owned(),
            parameters: parameters.to_owned(),
        }
    }

    fn all(n: usize, size: i64, list_oddities: bool) -> (Vec<String>, usize) {
        let ids: Vec<_> = (0..n).map(|n| n.to_string()).collect();
        let mut state = State::default();
        state.settings.list_oddities = list_oddities;
        let (mut seen, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let request = request(size, &token, "list");
            let (page, next) = cut(&mut state, &request, (3, 5), &ids).unwrap();
            pages += 1;
            seen.extend(page.to_vec());
            match next {
                Some(next) => token = next,
                None => return (seen, pages),
            }
        }
    }

    #[test]
    fn pages_hold_every_entry_once_unless_the_list_has_oddities() {
        assert_eq!(all(7, 0, false).0.len(), 7);
        assert_eq!(all(7, 100, false).1, 2);
        assert_eq!(all(0, 0, false), (Vec::new(), 1));
        let (mut odd, pages) = all(12, 4, true);
        assert!(pages > 4 && odd.len() > 12);
        odd.dedup();
        assert_eq!(odd.len(), 12);
    }

    #[test]
    fn a_page_token_of_another_list_is_refused() {
        let ids = vec!["a".to_owned(), "b".to_owned()];
        let state = &mut State::default();
        let (_, token) = cut(state, &request(1, "", "x"), (1, 1), &ids).unwrap();
        let token = token.unwrap();
        let mut is_ok =
            |token: &str, list: &str| cut(state, &request(1, token, list), (1, 1), &ids).is_ok();
        assert!(is_ok(&token, "x"));
        assert!(!is_ok(&token, "y"));
        assert!(!is_ok("!", "x"));
    }

    #[test]
    fn a_page_token_with_any_numbers_does_no_harm() {
        let ids = vec!["a".to_owned(), "b".to_owned()];
        let key = URL_SAFE_NO_PAD.encode(&Sha256::digest("x")[..9]);
        for start in [0, usize::MAX] {
            for list_oddities in [false, true] {
                let mut state = State::default();
                state.settings.list_oddities = list_oddities;
                let request = request(1, &encode(start, usize::MAX, &key), "x");
                assert!(cut(&mut state, &request, (1, 1), &ids).is_ok());
            }
        }
    }
}
