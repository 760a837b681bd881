//! `albumen`: parse, run, give the exit code. Nothing else ends the process.

use std::process::ExitCode;

use albumen::{cli, commands};

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => {
            // Help that nobody reads to its end is no error.
            let _ = error.print();
            return match error.exit_code() {
                0 => cli::ExitCode::Done,
                _ => cli::ExitCode::Unusable,
            }
            .into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return commands::report(&error.into()).into(),
    };
    let code = runtime.block_on(commands::run(invocation));
    // A thread that hangs in a file system must not keep the process.
    runtime.shutdown_background();
    code.into()
}
