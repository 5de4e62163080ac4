//! Parse, run, exit code.
fn main() -> std::process::ExitCode {
    runbook::cli::main()
}
