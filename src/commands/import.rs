//! tmp
use crate::cli::{ExitCode, Import};
use super::Edge;
pub(crate) async fn run(_: &Edge, _: &Import) -> anyhow::Result<ExitCode> { anyhow::bail!("tmp") }
