//! `albumen sandbox`: where it may listen.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueHint};

/// `albumen sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Sandbox {
    /// Where to listen on this machine; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8421", value_parser = loopback)]
    pub listen: SocketAddr,

    /// Keep what is uploaded in this folder, instead of forgetting it at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "it is an address with a port, such as 127.0.0.1:8421".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the sandbox has no lock on its door: it listens on 127.0.0.1 or [::1] only".to_owned())
    }
}
