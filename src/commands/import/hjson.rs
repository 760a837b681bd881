//! Hjson, as its syntax page has it: JSON with comments, commas that may be missing, and text that
//! needs no quotes up to the end of its line.
//!
//! The crates that read it stumble over quoteless text that begins with a digit, as client ids do, or
//! over single quotes. Bounded in depth; the caller bounds the text.

use std::{iter::Peekable, str::Chars};

use serde_json::{Map, Value};

/// How deep objects and lists may be nested.
const MAX_DEPTH: usize = 32;

/// Reads a text; the braces around all of it may be missing.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser {
        rest: text.trim_start_matches('\u{feff}').chars().peekable(),
        line: 1,
        depth: 0,
    };
    let parsed = parser.root();
    parsed.map_err(|why| format!("line {}: {why}", parser.line))
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    depth: usize,
}

type Parsed<T> = Result<T, &'static str>;

impl Parser<'_> {
    fn root(&mut self) -> Parsed<Value> {
        self.blank();
        let value = match self.rest.peek() {
            Some('{' | '[') => self.value()?,
            _ => Value::Object(self.members(None)?),
        };
        self.blank();
        match self.rest.peek() {
            None => Ok(value),
            Some(_) => Err("there is something behind the end"),
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn skip(&mut self, n: usize) {
        for _ in 0..n {
            self.next();
        }
    }

    /// Whether what comes next begins with `text`.
    fn begins(&self, text: &str) -> bool {
        let mut ahead = self.rest.clone();
        text.chars().all(|c| ahead.next() == Some(c))
    }

    /// Skips white space and comments.
    fn blank(&mut self) {
        loop {
            if self.begins("/*") {
                while !self.begins("*/") && self.next().is_some() {}
                self.skip(2);
            } else if self.begins("#") || self.begins("//") {
                while self.rest.peek().is_some_and(|c| *c != '\n') {
                    self.next();
                }
            } else if self.rest.peek().is_some_and(|c| c.is_whitespace()) {
                self.next();
            } else {
                return;
            }
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.rest.peek() {
            Some('{') => self.nested(|parser| Ok(Value::Object(parser.members(Some('}'))?))),
            Some('[') => self.nested(|parser| Ok(Value::Array(parser.elements()?))),
            Some('"' | '\'') => Ok(Value::String(self.quoted()?)),
            Some('}' | ']' | ',' | ':') | None => Err("a value is missing"),
            Some(_) => Ok(self.quoteless()),
        }
    }

    fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<Value>) -> Parsed<Value> {
        self.next();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("it is nested too deep");
        }
        let value = inside(self);
        self.depth -= 1;
        value
    }

    /// The members of an object, up to `end` or the end of the text.
    fn members(&mut self, end: Option<char>) -> Parsed<Map<String, Value>> {
        let mut members = Map::new();
        loop {
            self.blank();
            if self.rest.peek().copied() == end {
                self.next();
                return Ok(members);
            }
            let key = self.key()?;
            self.blank();
            if self.next() != Some(':') {
                return Err("a `:` is missing behind a key");
            }
            self.blank();
            members.insert(key, self.value()?);
            self.separator();
        }
    }

    fn elements(&mut self) -> Parsed<Vec<Value>> {
        let mut elements = Vec::new();
        loop {
            self.blank();
            if self.rest.peek() == Some(&']') {
                self.next();
                return Ok(elements);
            }
            elements.push(self.value()?);
            self.separator();
        }
    }

    fn separator(&mut self) {
        self.blank();
        if self.rest.peek() == Some(&',') {
            self.next();
        }
    }

    fn key(&mut self) -> Parsed<String> {
        if matches!(self.rest.peek(), Some('"' | '\'')) {
            return self.quoted();
        }
        let mut key = String::new();
        while let Some(c) = self.rest.peek().copied() {
            if c.is_whitespace() || matches!(c, '{' | '}' | '[' | ']' | ',' | ':') {
                break;
            }
            key.push(c);
            self.next();
        }
        if key.is_empty() {
            return Err("a key is missing, or a brace is not closed");
        }
        Ok(key)
    }

    fn quoted(&mut self) -> Parsed<String> {
        if self.begins("'''") {
            return self.lines();
        }
        let quote = self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Err("a quote is not closed"),
                Some('\\') => text.push(self.escaped()?),
                end if end == quote => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Parsed<char> {
        Ok(match self.next() {
            Some(c @ ('"' | '\'' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.hex()?;
                let code = if (0xd800..0xdc00).contains(&first) && self.begins("\\u") {
                    self.skip(2);
                    let second = self.hex()?;
                    0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    first
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err("there is no such escape"),
        })
    }

    fn hex(&mut self) -> Parsed<u32> {
        (0..4).try_fold(0, |code, _| {
            let digit = self.next().and_then(|c| c.to_digit(16));
            Ok(code * 16 + digit.ok_or("an escape is not complete")?)
        })
    }

    /// Text over several lines, between three quotes; its indentation does not count.
    fn lines(&mut self) -> Parsed<String> {
        self.skip(3);
        let mut text = String::new();
        while !self.begins("'''") {
            text.push(self.next().ok_or("a text of several lines is not closed")?);
        }
        self.skip(3);
        let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
        Ok(lines.join("\n"))
    }

    /// A word of JSON, a number, or text up to the end of the line.
    fn quoteless(&mut self) -> Value {
        let mut text = String::new();
        loop {
            let ends = match self.rest.peek() {
                None | Some('\n' | '\r') => {
                    let text = text.trim();
                    return literal(text).unwrap_or_else(|| Value::String(text.to_owned()));
                }
                Some(',' | '}' | ']' | '#') => true,
                Some('/') => self.begins("//") || self.begins("/*"),
                Some(_) => false,
            };
            if ends && let Some(value) = literal(text.trim()) {
                return value;
            }
            text.extend(self.next());
        }
    }
}

fn literal(text: &str) -> Option<Value> {
    let is_literal = matches!(text, "true" | "false" | "null")
        || text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    is_literal
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_syntax_page_shows_is_read() {
        let text = "{
          // use #, // or /**/ for comments,
          # omit quotes for keys
          key: 1, \"quoted key\": -2.5e3
          # omit quotes for strings
          contains: everything on this line, # too
          cool: {
            foo: 1
            bar: [ a
              'b\\'c', true, null # no
              7 ]
          } /* over
          lines */
          client: 20637643488.apps.googleusercontent.com
          haiku:
            '''
            JSON I love you.
            But you strangle my expression.
            '''
          no: false
        }";
        let expected = json!({
            "key": 1, "quoted key": -2500.0, "contains": "everything on this line, # too",
            "cool": {"foo": 1, "bar": ["a", "b'c", true, null, 7]},
            "client": "20637643488.apps.googleusercontent.com",
            "haiku": "JSON I love you.\nBut you strangle my expression.", "no": false,
        });
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn braces_around_all_of_it_may_be_missing() {
        assert_eq!(parse("a: b\nc: 1"), Ok(json!({"a": "b", "c": 1})));
        assert_eq!(parse(""), Ok(json!({})));
    }

    #[test]
    fn what_is_broken_says_where() {
        for text in [
            "{",
            "[1",
            "{\"a\": \"b}",
            "{a 1}",
            "{a: }",
            "{} x",
            "{a: '''x}",
            "{a: \"\\x\"}",
        ] {
            assert!(parse(text).unwrap_err().starts_with("line 1: "), "{text}");
        }
        let deep = "[".repeat(10_000);
        assert!(parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn all_json_is_hjson(text in "[ -~\u{e4}\u{1f600}\n\"\\\\]{0,20}", n in any::<i64>(), is in any::<bool>()) {
            let value = json!({"a": [text.clone(), n, {"b": is, "c": null}], text: n});
            prop_assert_eq!(parse(&value.to_string()), Ok(value.clone()));
            prop_assert_eq!(parse(&format!("{value:#}")), Ok(value));
        }

        #[test]
        fn any_text_ends(text in "[\\[\\]{}:,'\"#/*a1\n \\\\-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
