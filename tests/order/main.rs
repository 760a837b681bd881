//! Order, at random: photos that come in any order and in several rounds, trouble of all kinds, and the
//! plug pulled in between. Whatever happens, the album stands in exactly the order that was asked
//! for, and no more calls were made than the design allows.
//!
//! Each case is made from a seed, which it prints. `ALBUMEN_SEED=7` runs that one alone, and
//! `ALBUMEN_SEED=100..200` a whole range of them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod case;
mod position;

use std::ops::Range;

use case::{Case, Order, Trouble};

/// The seeds of each test.
fn seeds(usual: Range<u64>) -> Range<u64> {
    let Some(asked) = std::env::var_os("ALBUMEN_SEED") else {
        return usual;
    };
    let asked = asked.to_str().unwrap();
    if let Some((from, to)) = asked.split_once("..") {
        return from.parse().unwrap()..to.parse().unwrap();
    }
    let seed = asked.parse().unwrap();
    seed..seed + 1
}

async fn every(order: Order) {
    for seed in seeds(0..4) {
        // The cases of each order meet all kinds of trouble between them.
        let turn = usize::try_from(seed).unwrap() % Trouble::ALL.len();
        let trouble = Trouble::ALL[turn];
        eprintln!("ALBUMEN_SEED={seed}: {order:?}, {trouble:?}");
        Case::new(seed, order, trouble).await.run().await;
    }
}

#[tokio::test]
async fn an_album_ends_in_the_order_in_which_its_photos_were_taken() {
    every(Order::Taken).await;
}

#[tokio::test]
async fn an_album_ends_in_the_order_of_its_names_and_nine_comes_before_ten() {
    every(Order::Name).await;
}

#[tokio::test]
async fn an_album_ends_in_the_order_in_which_its_photos_were_changed() {
    every(Order::Modified).await;
}

#[tokio::test]
async fn an_album_ends_in_the_order_in_which_its_photos_came() {
    every(Order::Arrival).await;
}
