//! The paths in a source that lead to modules of the crate.

use super::tokens::Token;

/// A path that a source names, from the root of the crate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Its names; none for the root itself. A `*` stands for all names of a module.
    pub(super) names: Vec<String>,
    /// What it is called from here on, if it is given another name.
    pub(super) alias: Option<String>,
    /// The line of its first name.
    pub(super) line: usize,
}

/// Every path to the crate in the tokens of the module `module`: behind `crate`, `caudal`, `self` and
/// `super`, alone or in braces, in `use` or anywhere else.
pub(super) fn imports(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut paths = Vec::new();
    // Modules within the file, and how many braces are open around each.
    let mut module = module.to_vec();
    let mut within: Vec<usize> = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                if at >= 2 && text(at - 2) == "mod" {
                    module.push(text(at - 1).to_owned());
                    within.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if within.last() == Some(&depth) {
                    within.pop();
                    module.pop();
                }
            }
            word @ ("crate" | "caudal" | "self" | "super") => {
                let begins = at == 0 || text(at - 1) != "::" || word == "caudal";
                let leads = text(at + 1) == "::"
                    || (text(at + 1) == "as" && (word == "crate" || word == "super"));
                if begins && leads {
                    let names = match word {
                        "crate" | "caudal" => Vec::new(),
                        "self" => module.clone(),
                        _ => module[..module.len().saturating_sub(1)].to_vec(),
                    };
                    let start = Path { names, alias: None, line: token.line };
                    let next = if text(at + 1) == "::" { at + 2 } else { at + 1 };
                    tree(tokens, next, start, &mut paths);
                }
            }
            _ => {}
        }
    }
    paths
}

/// The paths of all `use` declarations of a crate's root, whose names need no `crate`.
pub(super) fn root_uses(tokens: &[Token]) -> Vec<Path> {
    let mut paths = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text == "use" {
            tree(tokens, at + 1, Path::default(), &mut paths);
        }
    }
    paths
}

/// Whether this can stand between the `::` of a path.
fn is_name(text: &str) -> bool {
    text == "*" || text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Adds all paths that go on from `path` with the tokens from `at`; gives the place behind them.
fn tree(tokens: &[Token], mut at: usize, mut path: Path, paths: &mut Vec<Path>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while at < tokens.len() && text(at) != "}" {
                    let next = tree(tokens, at, path.clone(), paths);
                    at = next.max(at + usize::from(next == at));
                    if text(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "self" | "crate" => at += 1,
            "super" => {
                path.names.pop();
                at += 1;
            }
            // What has got a name of its own right here.
            "as" => {}
            name if is_name(name) => {
                if path.names.is_empty() {
                    path.line = tokens[at].line;
                }
                path.names.push(name.to_owned());
                at += 1;
            }
            _ => {}
        }
        let goes_on = text(at) == "::" && (text(at + 1) == "{" || is_name(text(at + 1)));
        if !goes_on {
            break;
        }
        at += 1;
    }
    if text(at) == "as" {
        path.alias = Some(text(at + 1).to_owned());
        at += 2;
    }
    paths.push(path);
    at
}
