//! What does not compile, and what the compiler says then.

use std::process::Command;

/// The compiler whose words are in `tests/ui/*.stderr`. Others say the same in other words.
const WORDS_OF: &str = "rustc 1.95.";

#[test]
fn mistakes_are_told_at_the_token_that_is_wrong() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(WORDS_OF) {
        println!("not compared: this is {version}, and the words are those of {WORDS_OF}x");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
