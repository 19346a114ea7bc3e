//! Has the suite embedded anew when a file of it comes or goes, which the macro doesn't notice.

fn main() {
    for folder in ["suite", "baselines", "bugs"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
