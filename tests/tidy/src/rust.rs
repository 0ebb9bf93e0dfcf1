//! A Rust file as a flat list of tokens, with what is test code and which modules it declares.
//!
//! Owns: telling code from comments, and tests from the rest. The lexer is rustc's, as the crate proc-macro2.
//! Never: understands more of the grammar than attributes, `mod`, and where an item ends.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A file without its comments and documentation.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) tokens: Vec<Token>,
    /// The lines of every outermost item that exists only in tests, attributes included.
    pub(crate) test_lines: Vec<RangeInclusive<usize>>,
    /// Every `mod name;`.
    pub(crate) modules: Vec<Module>,
}

/// One token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// Whether it is part of an item that exists only in tests.
    pub(crate) test: bool,
}

/// What a token is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Word(String),
    /// The inside of a string literal, escapes as written.
    Text(String),
    /// Any other literal, or one character of punctuation.
    Mark(String),
}

/// A declaration of a module in another file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// The names of the modules around it in this file, then its own.
    pub(crate) path: Vec<String>,
    /// The value of its `#[path]`.
    pub(crate) file: Option<String>,
    /// Whether it exists only in tests.
    pub(crate) test: bool,
}

/// Reads a file. The error is for a file that is not Rust, which the compiler explains better than we could.
pub(crate) fn read(text: &str) -> Result<Code, proc_macro2::LexError> {
    let mut reader = Reader::default();
    reader.level(text.parse::<TokenStream>()?, false);
    Ok(reader.code)
}

#[derive(Default)]
struct Reader {
    code: Code,
    /// The modules written out around the place that is being read.
    around: Vec<String>,
}

/// What the attributes before an item say about it.
#[derive(Default)]
struct Item {
    first_line: Option<usize>,
    test: bool,
    file: Option<String>,
}

impl Reader {
    /// Reads what is between two brackets, or the whole file.
    fn level(&mut self, stream: TokenStream, mut test: bool) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut item = Item::default();
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            if let Some((attribute, length, inner)) = attribute(&trees[at..]) {
                let for_tests = is_test_configuration(attribute);
                test |= inner && for_tests;
                item.test |= !inner && for_tests;
                item.first_line.get_or_insert(line_of(tree));
                item.file = value_of(attribute, "path").or(item.file);
                if !is_word(&attribute.stream(), "doc") {
                    trees[at..at + length]
                        .iter()
                        .for_each(|tree| self.tree(tree, test || item.test));
                }
                at += length;
                continue;
            }
            let first_line = item.first_line.unwrap_or_else(|| line_of(tree));
            let declared = module_name(&trees[..=at]);
            match (tree, declared) {
                (TokenTree::Group(body), Some(name)) => {
                    self.around.push(name);
                    self.level(body.stream(), test || item.test);
                    self.around.pop();
                }
                (_, Some(name)) => {
                    let path = self.around.iter().cloned().chain([name]).collect();
                    self.code.modules.push(Module {
                        path,
                        file: item.file.take(),
                        test: test || item.test,
                    });
                }
                _ => self.tree(tree, test || item.test),
            }
            if ends_item(tree) {
                if item.test && !test {
                    let last_line = tree.span().end().line;
                    self.code.test_lines.push(first_line..=last_line);
                }
                item = Item::default();
            }
            at += 1;
        }
    }

    fn tree(&mut self, tree: &TokenTree, test: bool) {
        let kind = match tree {
            TokenTree::Group(group) => return self.group(group, test),
            TokenTree::Ident(word) => Kind::Word(word.to_string()),
            TokenTree::Punct(mark) => Kind::Mark(mark.as_char().to_string()),
            TokenTree::Literal(literal) => {
                let literal = literal.to_string();
                inside(&literal)
                    .map_or_else(|| Kind::Mark(literal.clone()), |text| Kind::Text(text.to_owned()))
            }
        };
        self.code.tokens.push(Token {
            line: line_of(tree),
            kind,
            test,
        });
    }

    fn group(&mut self, group: &Group, test: bool) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        let mark = |line, kind: &str| Token {
            line,
            kind: Kind::Mark(kind.to_owned()),
            test,
        };
        self.code.tokens.push(mark(group.span_open().start().line, open));
        self.level(group.stream(), test);
        self.code
            .tokens
            .push(mark(group.span_close().start().line, close));
    }
}

/// The attribute at the start of the tokens, how many tokens it takes, and whether it is about what surrounds it.
fn attribute(trees: &[TokenTree]) -> Option<(&Group, usize, bool)> {
    let is =
        |at: usize, mark: char| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == mark);
    let inner = is(1, '!');
    let length = if inner { 3 } else { 2 };
    match trees.get(length - 1) {
        Some(TokenTree::Group(group)) if is(0, '#') && group.delimiter() == Delimiter::Bracket => {
            Some((group, length, inner))
        }
        _ => None,
    }
}

/// `cfg(test)` and `cfg(all(test, ...))`, but not `cfg(not(test))`.
fn is_test_configuration(attribute: &Group) -> bool {
    let text = attribute.stream().to_string();
    let mut words = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    words.next() == Some("cfg")
        && words.clone().any(|word| word == "test")
        && !words.any(|word| word == "not" || word == "any")
}

/// `value` of `name = "value"`.
fn value_of(attribute: &Group, name: &str) -> Option<String> {
    let last = attribute.stream().into_iter().last()?;
    (is_word(&attribute.stream(), name))
        .then(|| inside(&last.to_string()).map(str::to_owned))
        .flatten()
}

fn is_word(stream: &TokenStream, word: &str) -> bool {
    matches!(stream.clone().into_iter().next(), Some(TokenTree::Ident(first)) if first == word)
}

/// The name, if the tokens end in `mod name;` or `mod name { ... }`.
fn module_name(trees: &[TokenTree]) -> Option<String> {
    let [.., TokenTree::Ident(keyword), TokenTree::Ident(name), end] = trees else {
        return None;
    };
    (keyword == "mod" && ends_item(end)).then(|| name.to_string())
}

fn ends_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}

fn line_of(tree: &TokenTree) -> usize {
    tree.span().start().line
}

/// The inside of a string literal of any kind: plain, raw, byte or C.
fn inside(literal: &str) -> Option<&str> {
    let raw = literal.trim_start_matches(['b', 'c', 'r']).trim_matches('#');
    raw.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests;
