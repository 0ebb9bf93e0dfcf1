use super::*;

fn texts(code: &str) -> Vec<String> {
    let text = |token: Token| match token.kind {
        Kind::Text(text) => Some(if token.test { format!("test:{text}") } else { text }),
        _ => None,
    };
    read(code).unwrap().tokens.into_iter().filter_map(text).collect()
}

fn test_lines(code: &str) -> Vec<RangeInclusive<usize>> {
    read(code).unwrap().test_lines
}

/// `a::b`, with `=file` for a path attribute and `?` for a module of tests.
fn modules(code: &str) -> Vec<String> {
    let describe = |module: Module| {
        let file = module.file.map_or_else(String::new, |file| format!("={file}"));
        format!(
            "{}{file}{}",
            module.path.join("::"),
            if module.test { "?" } else { "" }
        )
    };
    read(code).unwrap().modules.into_iter().map(describe).collect()
}

#[test]
fn strings_are_found_in_code_and_nowhere_else() {
    assert_eq!(texts(r#"const A: &str = "a";"#), ["a"]);
    assert_eq!(
        texts("const A: &[u8] = br#\"a\"b\"#; /* \"no\" */ // \"no\""),
        ["a\"b"]
    );
    assert_eq!(texts("/// \"no\"\nfn f() { g(\"deep\", '\"', 'x'); }"), ["deep"]);
    assert_eq!(
        texts("#[serde(rename = \"attribute\")] struct A<'a>(&'a u8);"),
        ["attribute"]
    );
}

#[test]
fn test_code_is_told_from_the_rest() {
    assert_eq!(
        texts("#[cfg(test)] mod t { const A: &str = \"a\"; } f!(\"b\");"),
        ["test:a", "b"]
    );
    assert_eq!(
        texts("#[cfg(all(test, unix))] const A: &str = \"a\"; f!(\"b\");"),
        ["test:a", "b"]
    );
    assert_eq!(texts("#[cfg(not(test))] const A: &str = \"a\";"), ["a"]);
    assert_eq!(texts("#[cfg(unix)] const A: &str = \"a\";"), ["a"]);
    assert_eq!(texts("#![cfg(test)] const A: &str = \"a\";"), ["test:a"]);
}

#[test]
fn lines_of_tests_reach_from_the_attribute_to_the_last_brace() {
    let code = "fn a() {}\n\n/// Doc\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n";
    assert_eq!(test_lines(code), [3..=7]);
    assert_eq!(test_lines("#[cfg(test)]\nuse a::b;\nfn c() {}"), [1..=2]);
    assert_eq!(
        test_lines("#[derive(Debug)]\nstruct A;\n#[cfg(test)]\nimpl A {\n}"),
        [3..=5]
    );
    assert_eq!(test_lines("mod tests {\n}"), []);
    assert_eq!(
        test_lines("#[cfg(test)]\nmod a {\n  #[cfg(test)]\n  mod b {}\n}"),
        [1..=5]
    );
}

#[test]
fn modules_are_found_with_those_around_them() {
    assert_eq!(
        modules("mod a; pub(crate) mod b; mod c { mod d; }"),
        ["a", "b", "c::d"]
    );
    assert_eq!(modules("#[path = \"x/y.rs\"] mod a; mod b;"), ["a=x/y.rs", "b"]);
    assert_eq!(
        modules("#[cfg(test)] mod a; mod b; #[cfg(test)] mod c { mod d; }"),
        ["a?", "b", "c::d?"]
    );
    assert_eq!(
        modules("// mod a;\nconst A: &str = \"mod b;\";"),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_not_rust_is_an_error() {
    assert!(read("fn f( {").is_err());
}
