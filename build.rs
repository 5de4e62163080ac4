//! A new runbook is in the program at the next build: `include_dir` alone is not told of new files.

fn main() {
    println!("cargo::rerun-if-changed=runbooks");
}
