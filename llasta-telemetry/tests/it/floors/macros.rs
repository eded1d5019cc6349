//! What does not compile, and what the compiler says then.

#[test]
fn mistakes_are_told_at_the_token_that_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
