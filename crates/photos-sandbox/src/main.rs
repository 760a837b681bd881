//! Serves a sandbox until SIGINT or SIGTERM.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use photos_sandbox::{Options, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

/// A stand-in for the Google Photos Library API, for tests of its clients
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Loopback address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8421")]
    listen: SocketAddr,

    /// Keep items, albums and bytes in this folder; without it they are lost at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options {
        listen: arguments.listen,
        data_dir: arguments.data,
    };
    let sandbox = Sandbox::start(options).await?;
    announce(&sandbox.gallery());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
fn announce(address: &str) {
    println!("{address}");
}

#[expect(clippy::print_stderr, reason = "nothing else prints errors")]
fn complain(error: &dyn std::error::Error) {
    eprint!("error: {error}");
    match error.source() {
        Some(cause) => eprintln!(": {cause}"),
        None => eprintln!(),
    }
}
