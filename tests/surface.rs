//! What is public can grow without breaking programs, and hands out no raw pointer.
//!
//! A public enum, and a public struct all of whose fields are public, is `#[non_exhaustive]`: programs then write no
//! literal of it and no match without a last arm, so that a field or variant more breaks none of them. What stays
//! as it is stands in a list, with the reason. (A struct with a private field needs no attribute.)
//!
//! These tests read the sources. The lint `unreachable_pub` sees to it that whatever is `pub` there can be reached.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Types that programs write as literals, or match completely, with why nothing will be added to them.
const FIXED: &[(&str, &str)] = &[
    ("Better", "a number is better when higher or when lower"),
    (
        "Cost",
        "operations and numbers moved: all that a planner of times asks of a layer, which writes it",
    ),
    ("Fans", "a number of inputs and one of outputs"),
    ("Model", "a graph, and all else in a type that can grow; programs take it apart"),
    ("NamedTable", "a name and what it names"),
    ("NamedValue", "a name and what it names"),
    ("Pair", "two numbers of one kind: height and width"),
    ("Part", "which of how many"),
    ("PartCost", "a mean and a variance"),
    ("Pass", "forward or backward"),
    (
        "ReadyPart",
        "a task and its part: what a policy is asked for, and what it gives, in every call",
    ),
    ("Table", "numbers with names of rows and columns, which a metric writes"),
];

/// A public type as its source declares it.
struct Declared {
    name: String,
    line: usize,
    /// Whether programs could write it out in full: an enum, or a struct without a private field.
    open: bool,
    non_exhaustive: bool,
}

/// The public types of a source, which is formatted as `cargo fmt` does it.
fn declared(source: &str) -> Vec<Declared> {
    let mut types = Vec::new();
    let mut non_exhaustive = false;
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("#[") {
            non_exhaustive |= *line == "#[non_exhaustive]";
            continue;
        }
        if line.starts_with("//") {
            continue;
        }
        let of = |keyword: &'static str| line.strip_prefix(keyword).map(|rest| (keyword, rest));
        if let Some((keyword, rest)) = of("pub enum ").or_else(|| of("pub struct ")) {
            let name = rest.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default();
            let text = lines[at..].join("\n");
            let open = keyword == "pub enum " || fields(&text).is_some_and(|it| all_public(&it));
            // Macros name some types by a variable.
            if !name.is_empty() {
                types.push(Declared { name: name.to_owned(), line: at + 1, open, non_exhaustive });
            }
        }
        non_exhaustive = false;
    }
    types
}

/// The fields of the struct that begins the text; none for one without fields.
fn fields(text: &str) -> Option<Vec<String>> {
    let begin = text.find(['{', '(', ';'])?;
    if text[begin..].starts_with(';') {
        return None;
    }
    let (mut depth, mut fields, mut field) = (0, Vec::new(), String::new());
    for line in text[begin..].lines().filter(|line| !line.starts_with("//")) {
        for character in line.chars() {
            let closes = matches!(character, '}' | ')' | ']' | '>') && !field.ends_with('-');
            depth -= i32::from(closes);
            if depth == 0 && closes || depth == 1 && character == ',' {
                fields.push(std::mem::take(&mut field));
            } else if depth > 0 {
                field.push(character);
            }
            depth += i32::from(matches!(character, '{' | '(' | '[' | '<'));
            if depth == 0 {
                fields.retain(|field| !field.trim().is_empty());
                return Some(fields);
            }
        }
    }
    None
}

fn all_public(fields: &[String]) -> bool {
    !fields.is_empty() && fields.iter().all(|field| field.trim().starts_with("pub "))
}

/// Lines that declare something public with a raw pointer, or something public that is unsafe to call.
fn raw(source: &str) -> Vec<usize> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_raw = |at: &usize| {
        let declared = lines[*at..].join(" ");
        // A signature ends where the body begins, and a field or constant at the line's end.
        let end = if lines[*at].contains("fn ") {
            declared.find('{').unwrap_or(declared.len())
        } else {
            lines[*at].len()
        };
        lines[*at].starts_with("pub ")
            && ["*const ", "*mut ", "NonNull", "AtomicPtr", "pub unsafe fn "]
                .iter()
                .any(|sign| declared[..end].contains(sign))
    };
    (0..lines.len()).filter(is_raw).map(|at| at + 1).collect()
}

/// The sources of the library that ship.
fn sources() -> Vec<(PathBuf, String)> {
    fn add(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name == "tests" || name == "cli" {
                continue;
            }
            if path.is_dir() {
                add(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files
}

#[test]
fn public_types_can_grow_or_say_why_not() {
    let (mut wrong, mut fixed, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for (path, source) in sources() {
        for declared in declared(&source).into_iter().filter(|declared| declared.open) {
            count += 1;
            let place = format!("{}:{}: `{}`", path.display(), declared.line, declared.name);
            let listed = FIXED.iter().any(|(name, _)| *name == declared.name);
            match (declared.non_exhaustive, listed) {
                (false, false) => wrong.push(format!("{place} lacks #[non_exhaustive]")),
                (true, true) => wrong.push(format!("{place} is #[non_exhaustive], but listed")),
                (false, true) => drop(fixed.insert(declared.name)),
                (true, false) => {}
            }
        }
    }
    let listed: BTreeSet<String> = FIXED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(fixed, listed, "on the left the types that there are, on the right the list");
    assert!(count > 80, "only {count} types were read");
}

#[test]
fn nothing_public_is_a_raw_pointer_or_unsafe_to_call() {
    let wrong = sources().into_iter().flat_map(|(path, source)| {
        raw(&source).into_iter().map(move |line| format!("{}:{line}", path.display()))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_types_are_found() {
    let source = "
        /// Open.
        #[derive(Debug)]
        pub enum Kind<T> {
            One(T),
        }

        #[non_exhaustive]
        #[derive(Debug)]
        pub struct Options<'a> {
            /// With a comma, and a colon: here.
            pub call: fn(usize, &'a str) -> Result<(), String>,
        }

        pub struct Report {
            pub shown: Vec<(usize, f64)>,
            pub(crate) hidden: usize,
        }
        pub struct Pair(pub [usize; 2], pub u8);
        pub struct Handle(*mut f32);
        pub struct Unit;
        pub(crate) enum Own {}
        pub struct $name(pub usize);
        pub struct Last { pub number: u8 }
    ";
    let found: Vec<(String, bool, bool)> =
        declared(source).into_iter().map(|it| (it.name, it.open, it.non_exhaustive)).collect();
    let expected = [
        ("Kind", true, false),
        ("Options", true, true),
        ("Report", false, false),
        ("Pair", true, false),
        ("Handle", false, false),
        ("Unit", false, false),
        ("Last", true, false),
    ];
    assert_eq!(found, expected.map(|(name, open, marked)| (name.to_owned(), open, marked)));

    let source = "
        pub fn safe(values: &[f32]) {
            let pointer: *const f32 = values.as_ptr();
        }
        pub fn given(
            from: *const f32,
        ) -> f32 {
        pub unsafe fn call() {}
        pub(crate) fn start(&self) -> *mut f32 {}
        pub first: *mut f32,
    ";
    assert_eq!(raw(source), [5, 8, 10]);
}
