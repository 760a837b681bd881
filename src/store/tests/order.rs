//! The heart of the product: whatever comes in whatever order, the album ends in order, with every
//! item once and no call without need.

use proptest::prelude::*;

use super::world::{Script, World};

fn run(script: Script) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(script).await;
        world.run().await;
        world.check();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn an_album_ends_in_order_whatever_comes_when(
        files in 1_u32..200,
        seed in any::<u64>(),
        daemon in any::<bool>(),
        large in 0_u32..15,
        fails in 0_u32..20,
        refused in 0_u32..15,
        crashes in 0_u32..40,
    ) {
        run(Script { files, seed, daemon, large, fails, refused, crashes });
    }
}

#[test]
fn without_trouble_a_backfill_needs_full_batches_only() {
    for seed in 0..3 {
        let mut script = Script {
            files: 170,
            seed,
            daemon: false,
            large: 0,
            fails: 0,
            refused: 0,
            crashes: 0,
        };
        run(script.clone());
        script.files = 50;
        run(script);
    }
}
