//! Hostile input: everything that parses what others wrote, fed with what nobody would write.
//!
//! Each target is a function of bytes that must end, in time and without a panic, whatever the bytes
//! are. It says in a word or two how it ended, and an input that ends in a new way is kept to be
//! changed further: that is the feedback which coverage gives to other fuzzers, and it runs on
//! stable Rust without a sanitizer, against the program's public paths.
//!
//! - `cargo test --test fuzz` is the short run: every kept seed, then a second of changes each, from a
//!   fixed start, so that it says the same each time.
//! - `ALBUMEN_FUZZ_SECONDS=600 cargo test --test fuzz -- --nocapture` is the long one, from a start of
//!   its own each time; the name of a target behind it runs that one alone. It belongs to a debug
//!   build, where arithmetic that overflows is a panic.
//!
//! What fails is written to `target/tmp/fuzz/<target>/`. Once it is mended, the file goes to
//! `fuzz/seeds/<target>/`, and stays.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what goes wrong here fails the test"
)]
#![allow(clippy::print_stderr, reason = "a long run tells how far it is")]

mod mutate;
mod runner;
mod targets;

macro_rules! targets {
    ($($name:ident: $target:path;)*) => {
        $(#[test]
        fn $name() {
            runner::run(stringify!($name), &mut $target());
        })*
    };
}

targets! {
    config: targets::files::config;
    client_secret: targets::files::client_secret;
    token_file: targets::files::token_file;
    clock: targets::files::clock;
    import_hjson: targets::imports::hjson;
    import_ini: targets::imports::ini;
    import_leveldb: targets::imports::leveldb;
    kinds: targets::media::kinds;
    taken: targets::media::taken;
    dimensions: targets::media::dimensions;
    descriptions: targets::media::descriptions;
    names: targets::names::names;
    patterns: targets::names::patterns;
    wire: targets::service::wire;
    answers: targets::service::answers;
    retry_after: targets::service::retry_after;
    sign_in: targets::service::sign_in;
    pasted: targets::service::pasted;
    browser: targets::service::browser;
    database_rows: targets::database::rows;
    database_pages: targets::database::pages;
    sandbox_requests: targets::sandbox::requests;
    sandbox_scripts: targets::sandbox::scripts;
    sandbox_data: targets::sandbox::data;
}
