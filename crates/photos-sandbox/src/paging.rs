//! Pages of lists, with the oddities that a client has to bear (fact sheet, section 4.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{answer::Refusal, log::Log};

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) page_size: i64,
    pub(super) page_token: &'a str,
    /// All other parameters of the list: they have to be the same for each page.
    pub(super) parameters: &'a str,
}

/// A page of ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) ids: Vec<String>,
    pub(super) next: Option<String>,
}

/// Cuts a page out of `ids`; `sizes` are the default and the greatest size.
pub(super) fn page(
    ids: &[String],
    wish: Wish<'_>,
    (default, max): (usize, usize),
    is_odd: bool,
    log: &mut Log,
) -> Result<Page, Refusal> {
    let size = match usize::try_from(wish.page_size) {
        Ok(0) => default,
        Ok(size) => {
            if size > max {
                log.broken("page_size", format!("{size} is over {max}"));
            }
            size.min(max)
        }
        Err(_) => {
            return Err(Refusal::broken(
                "page_size",
                "Page size must not be negative.",
            ));
        }
    };
    let key = fingerprint(wish.parameters);
    let (start, number) = if wish.page_token.is_empty() {
        (0, 0)
    } else {
        opened(wish.page_token, &key)
            .ok_or_else(|| Refusal::broken("page_token", "Invalid page token."))?
    };
    let start = start.min(ids.len());
    // An odd list: the second page is empty, and later ones are short and begin with a repetition.
    let (from, end) = match (is_odd, number) {
        (false, _) | (true, 0) => (start, start + size),
        (true, 1) => (start, start),
        (true, _) => (start.saturating_sub(1), start + size.div_ceil(2)),
    };
    let end = end.min(ids.len());
    let next = (end < ids.len()).then(|| sealed(end, number.saturating_add(1), &key));
    Ok(Page {
        ids: ids[from..end].to_vec(),
        next,
    })
}

fn fingerprint(parameters: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(parameters)[..9])
}

fn sealed(start: usize, number: usize, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{start}/{number}/{key}"))
}

fn opened(token: &str, key: &str) -> Option<(usize, usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.split('/');
    let start = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    (parts.next()? == key).then_some((start, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(n: usize, size: i64, is_odd: bool) -> (Vec<String>, usize) {
        let ids: Vec<_> = (0..n).map(|n| n.to_string()).collect();
        let (mut seen, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let wish = Wish {
                page_size: size,
                page_token: &token,
                parameters: "list",
            };
            let page = page(&ids, wish, (3, 5), is_odd, &mut Log::default()).unwrap();
            pages += 1;
            seen.extend(page.ids);
            match page.next {
                Some(next) => token = next,
                None => return (seen, pages),
            }
        }
    }

    #[test]
    fn pages_hold_every_entry_once_unless_the_list_is_odd() {
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
        let wish = |page_token, parameters| Wish {
            page_size: 1,
            page_token,
            parameters,
        };
        let log = &mut Log::default();
        let first = page(&ids, wish("", "x"), (1, 1), false, log).unwrap();
        let token = first.next.unwrap();
        assert!(page(&ids, wish(&token, "x"), (1, 1), false, log).is_ok());
        assert!(page(&ids, wish(&token, "y"), (1, 1), false, log).is_err());
        assert!(page(&ids, wish("!", "x"), (1, 1), false, log).is_err());
    }

    #[test]
    fn a_page_token_of_any_numbers_is_survived() {
        let ids = vec!["a".to_owned(), "b".to_owned()];
        for (start, is_odd) in [
            (0, false),
            (usize::MAX, false),
            (0, true),
            (usize::MAX, true),
        ] {
            let token = sealed(start, usize::MAX, &fingerprint("x"));
            let wish = Wish {
                page_size: 1,
                page_token: &token,
                parameters: "x",
            };
            assert!(page(&ids, wish, (1, 1), is_odd, &mut Log::default()).is_ok());
        }
    }
}
