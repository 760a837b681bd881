//! Partial answers: the `fields` parameter that every method takes (fact sheet, section 0).
//!
//! A mask is a list of paths, such as `albums(id,title),nextPageToken` or `mediaItem/id`; `*` is any
//! field. Lists are looked through, not counted.

use serde_json::{Map, Value};

use super::answer::Refusal;

/// What a mask lets through of an object; with nothing below it, a field goes through whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(Vec<(String, Mask)>);

impl Mask {
    /// Reads a mask; an empty one lets everything through.
    pub(super) fn of(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::broken("fields", format!("Invalid field selection {text}"));
        let (mask, rest) = Self::list(text).ok_or_else(wrong)?;
        if rest.is_empty() {
            Ok(mask)
        } else {
            Err(wrong())
        }
    }

    /// A list of paths, and what stands behind it.
    fn list(text: &str) -> Option<(Self, &str)> {
        let mut mask = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, below, after) = Self::path(rest)?;
            mask.0.push((name, below));
            match after.strip_prefix(',') {
                Some(next) if !next.is_empty() => rest = next,
                Some(_) => return None,
                None => return Some((mask, after)),
            }
        }
        Some((mask, rest))
    }

    /// One path: its first name, what is wanted below it, and what stands behind it.
    fn path(text: &str) -> Option<(String, Self, &str)> {
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '*' && c != '_')
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (below, rest) = if let Some(next) = rest.strip_prefix('/') {
            let (name, below, rest) = Self::path(next)?;
            (Self(vec![(name, below)]), rest)
        } else if let Some(inside) = rest.strip_prefix('(') {
            let (below, rest) = Self::list(inside)?;
            (below, rest.strip_prefix(')')?)
        } else {
            (Self::default(), rest)
        };
        Some((name.to_owned(), below, rest))
    }

    /// The part of `value` that goes through. What the mask names and the value has not is refused by
    /// the service; here it is just not there.
    pub(super) fn apply(&self, value: &Value) -> Value {
        if self.0.is_empty() {
            return value.clone();
        }
        match value {
            Value::Object(fields) => {
                let mut left = Map::new();
                for (name, value) in fields {
                    let fits = |(wanted, _): &&(String, Self)| wanted == name || wanted == "*";
                    if let Some((_, below)) = self.0.iter().find(fits) {
                        left.insert(name.clone(), below.apply(value));
                    }
                }
                left.into()
            }
            Value::Array(values) => values.iter().map(|value| self.apply(value)).collect(),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_lets_its_paths_through_and_nothing_else() {
        let answer = json!({
            "newMediaItemResults": [
                {"uploadToken": "t", "mediaItem": {"id": "1", "productUrl": "u"}},
                {"uploadToken": "s", "status": {"code": 3}},
            ],
            "other": 1,
        });
        let masked = |text: &str| Mask::of(text).unwrap().apply(&answer);
        assert_eq!(
            masked("newMediaItemResults(mediaItem/productUrl)"),
            json!({"newMediaItemResults": [{"mediaItem": {"productUrl": "u"}}, {}]})
        );
        assert_eq!(masked("other,none"), json!({"other": 1}));
        assert_eq!(
            masked("newMediaItemResults/status(code)"),
            json!({"newMediaItemResults": [{}, {"status": {"code": 3}}]})
        );
        assert_eq!(masked("*"), answer);
        assert_eq!(masked(""), answer);
        for wrong in ["a(", "a)", "a,", "(a)", "a//b", "a b"] {
            assert!(Mask::of(wrong).is_err(), "{wrong}");
        }
    }
}
