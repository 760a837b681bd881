//! `albumen`: parses the command line, runs the command, gives the exit code. Nothing else ends the process.

use std::process::ExitCode;

use albumen::{cli, commands, exit_code};

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => {
            // It is no error if the reader of the help closes the pipe.
            let _ = error.print();
            return match error.exit_code() {
                0 => exit_code::ExitCode::Done,
                _ => exit_code::ExitCode::Unusable,
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
    // Do not wait for threads that are blocked in a file system.
    runtime.shutdown_background();
    code.into()
}
