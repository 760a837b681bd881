//! stub
use std::path::PathBuf;
#[derive(Debug)]
pub struct Intake;
#[derive(Debug, Clone)]
pub struct Requests;
impl Intake {
    pub fn new(
        _: super::super::Stage,
        _: Vec<crate::config::Folder>,
        _: Vec<PathBuf>,
    ) -> super::super::Result<(Self, Requests)> {
        Ok((Self, Requests))
    }
    pub async fn run(self) -> super::super::Result<()> {
        Ok(())
    }
}
impl Requests {
    pub async fn scan(&self, _: Vec<PathBuf>) -> anyhow::Result<()> {
        Ok(())
    }
}
