//! The `qconform` command.

use std::process::ExitCode;

use qconform::worker::Service;
use qconform::{cli, sandbox, subject};

fn main() -> ExitCode {
    let mut service = Service::new(&subject::built_in);
    sandbox::run_if_worker(&mut |request| service.serve(request));
    cli::main()
}
