//! Imports planted in small sources, which have to be found, and what must not be taken for one.

use super::Building;

const DESIGN: &str = "# The design\n\n```text\nno list\n```\n\n## Floors\n\nFrom the top:\n\n```text\n\
                      roof         the top\nleft, right  side by side\nmiddle\nground       the bottom\n\
                      ```\n\nMore.\n\n```text\nno list\n```\n";

const LIBRARY: &str = "mod ground;\npub mod middle;\npub mod roof;\nmod left;\nmod right;\n\
                       pub use ground::{Error, Result as Outcome};\npub use roof::Tower;\n\
                       #[cfg(test)]\npub use roof::Hidden;\n";

/// The modules that a source of `middle::room` imports and must not, with their lines.
fn found(source: &str) -> Vec<(usize, String)> {
    found_in(&["middle", "room"], source)
}

fn found_in(module: &[&str], source: &str) -> Vec<(usize, String)> {
    let module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
    let wrong = Building::new(DESIGN, LIBRARY).violations("f.rs", &module, source);
    let parse = |text: &String| {
        let (at, rest) = text.split_once(" imports ").unwrap();
        let line = at.strip_prefix("f.rs:").unwrap().parse().unwrap();
        (line, rest.split_once(", which").unwrap().0.trim_matches('`').to_owned())
    };
    let mut found: Vec<(usize, String)> = wrong.iter().map(parse).collect();
    found.sort();
    found
}

/// What `found` gives for one module on one line.
fn one(line: usize, name: &str) -> Vec<(usize, String)> {
    vec![(line, name.to_owned())]
}

#[test]
fn the_list_is_read_from_the_top_down() {
    let building = Building::new(DESIGN, LIBRARY);
    assert_eq!(
        building.floors,
        [vec!["ground"], vec!["middle"], vec!["left", "right"], vec!["roof"]]
    );
    assert_eq!(building.root["Error"], "ground");
    assert_eq!(building.root["Outcome"], "ground");
    assert_eq!(building.root["Tower"], "roof");
    assert!(!building.root.contains_key("Hidden"));
}

#[test]
fn what_is_said_names_file_line_and_both_modules() {
    let say = |source: &str| {
        let wrong = Building::new(DESIGN, LIBRARY);
        let wrong = wrong.violations("src/left.rs", &["left".to_owned()], source);
        wrong.into_iter().collect::<Vec<_>>().join("; ")
    };
    assert_eq!(say("\nuse crate::roof;"), "src/left.rs:2 imports `roof`, which is above `left`");
    assert_eq!(say("use crate::right;"), "src/left.rs:1 imports `right`, which is beside `left`");
    assert_eq!(
        say("use crate::cellar;"),
        "src/left.rs:1 imports `cellar`, which stands on no floor"
    );
    let nowhere = Building::new(DESIGN, LIBRARY).violations("f.rs", &["shed".to_owned()], "");
    assert_eq!(nowhere.into_iter().collect::<Vec<_>>(), ["f.rs: `shed` stands on no floor"]);
}

#[test]
fn what_goes_down_or_stays_is_allowed() {
    for source in [
        "use crate::ground::Thing;",
        "use crate::{ground, middle::{self, Wall}};",
        "use super::wall; use super::{door::Handle, *};",
        "use self::drawer::Spoon; use serde::roof;",
        "use crate::{Error, Outcome};",
        "use std::{fmt, io};",
        "pub(in crate::middle) fn f() -> crate::Outcome { crate::ground::f() }",
        "pub(super) fn f(self) { self::g() } pub(crate) struct S;",
        "fn roof() { let roof = 1; left::right(roof) }",
    ] {
        assert_eq!(found(source), [], "{source}");
    }
    assert_eq!(found_in(&["roof"], "use crate::{left, right, middle, ground};"), []);
    assert_eq!(found_in(&[], "mod roof; pub use roof::Tower; use crate::roof;"), []);
}

#[test]
fn imports_in_braces_are_found_on_their_lines() {
    assert_eq!(found("use crate::roof;"), one(1, "roof"));
    assert_eq!(found("use crate::roof::{A, B};\n"), one(1, "roof"));
    assert_eq!(found("use crate::{ground, roof};"), one(1, "roof"));
    assert_eq!(found("use crate::{\n    ground::{A, B},\n    left::{c::D},\n};"), one(3, "left"));
    assert_eq!(found("use {crate::ground::A,\n crate::roof::B};"), one(2, "roof"));
    assert_eq!(
        found("use crate::{ground::{A, b::{C, D}}, roof as ground,\n right::*,};"),
        [(1, "roof".to_owned()), (2, "right".to_owned())]
    );
    assert_eq!(found("use crate\n    ::\n    roof;"), one(3, "roof"));
}

#[test]
fn paths_outside_of_use_are_found() {
    assert_eq!(found("fn f() -> crate::roof::Tile { todo() }"), one(1, "roof"));
    assert_eq!(found("fn f() {\n    g::<crate::left::A>(1)\n}"), one(2, "left"));
    assert_eq!(found("fn f() { crate::ground::g::<crate::roof::A>() }"), one(1, "roof"));
    assert_eq!(found("impl crate::roof::Trait for X {}"), one(1, "roof"));
    assert_eq!(found("#[serde(with = \"x\")]\nstruct S(Vec<crate::roof::A>);"), one(2, "roof"));
    assert_eq!(found("#[derive(crate::roof::Derive)]\nstruct S;"), one(1, "roof"));
    assert_eq!(found("macro_rules! m { () => { $crate::roof::f() } }"), one(1, "roof"));
    assert_eq!(found("fn f() { caudal::roof::f() }"), one(1, "roof"));
    assert_eq!(found("use ::caudal::roof;"), one(1, "roof"));
}

#[test]
fn names_at_the_root_count_for_their_modules() {
    assert_eq!(found("use crate::Tower;"), one(1, "roof"));
    assert_eq!(found("use crate::{Error, Tower as Castle};"), one(1, "roof"));
    assert_eq!(found("use crate::*;"), one(1, "all of the root"));
    assert_eq!(found("use crate as here;\nuse here::roof;"), one(1, "the root"));
    assert_eq!(found("use crate::{self as here};"), one(1, "the root"));
}

#[test]
fn chains_of_super_are_followed() {
    assert_eq!(found("use super::super::roof;"), one(1, "roof"));
    assert_eq!(found("use super::{wall, super::{ground, left}};"), one(1, "left"));
    assert_eq!(found("use self::super::super::roof;"), one(1, "roof"));
    assert_eq!(found_in(&["middle"], "use super::roof;"), one(1, "roof"));
    assert_eq!(found_in(&["middle"], "use super::*;"), one(1, "all of the root"));
    assert_eq!(
        found("mod inner { use super::super::roof; }"),
        [],
        "`middle` has a `roof` of its own"
    );
    assert_eq!(found("mod inner { mod x {} use super::super::super::roof; }"), one(1, "roof"));
    assert_eq!(found("mod inner { }\nuse super::super::roof;"), one(2, "roof"));
}

#[test]
fn tests_comments_and_strings_are_exempt() {
    for source in [
        "//! [`crate::roof`]\n/// crate::roof\n// crate::roof\n/* a /* b */ crate::roof */ fn f() {}",
        "const A: &str = \"crate::roof\"; const B: &str = \"\\\"crate::roof\";",
        "const A: &str = r#\"\"crate::roof\"#; const B: &[u8] = br\"crate::roof\\\";",
        "const A: char = '\"'; /* ' */ const B: char = '\\''; // crate::roof",
        "#[cfg(test)]\nmod tests { use crate::roof; fn f() { if a { b } } }",
        "#[cfg(test)]\nuse crate::{roof::{A, B}, left};",
        "#[cfg(test)] #[allow(unused)] pub(crate) use crate::roof;",
        "#[cfg(test)]\npub(crate) const fn f(a: [u8; 3]) -> X { crate::roof::f() }",
        "#[cfg(test)] const A: X = X { a: 1 }.with(crate::roof::A);",
        "struct S { a: u8, #[cfg(test)] pub b: crate::roof::B, c: u8 }",
        "struct S { a: u8, #[cfg(test)] b: crate::roof::B }",
        "#[cfg(all(test, unix))] fn f() { crate::roof::f() }",
        "#![cfg(test)]\nuse crate::roof;",
    ] {
        assert_eq!(found(source), [], "{source}");
    }
}

#[test]
fn what_follows_something_exempt_is_found() {
    for before in [
        "#[cfg(test)] mod tests { use crate::left; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(test)] use crate::left;",
        "#[cfg(test)] use crate::{left::{A}};",
        "#[cfg(test)] fn f<A, B>(a: A) -> Vec<B> { left() }",
        "#[cfg(test)] const A: [u8; 2] = [1, 2];",
        "#[cfg(test)] struct S(u8, u8);",
        "#[cfg(test)] struct S { a: u8 }",
        "struct S { #[cfg(test)] a: u8, b: char }",
        "fn f() { match a { #[cfg(test)] A => {} B => {} } }",
        "#[cfg(not(test))] struct S;",
        "const A: &str = r##\"a \"# b\"##;",
        "const A: char = '\\\\'; fn f<'a>(a: &'a str) -> &'a str { a }",
        "fn f() { 'a: loop { break 'a; } }",
        "const A: &str = \"a \\\\\"; /* \" */",
        "fn r#static() { b\"\\\"\"; b'\\''; '\u{2192}'; }",
    ] {
        assert_eq!(found(&format!("{before}\nuse crate::roof;")), one(2, "roof"), "{before}");
    }
    assert_eq!(found("#[cfg(not(test))]\nuse crate::roof;"), one(2, "roof"));
    assert_eq!(found("#[cfg(any(test, unix))]\nuse crate::roof;"), one(2, "roof"));
    assert_eq!(found("#[cfg_attr(test, allow(x))]\nuse crate::roof;"), one(2, "roof"));
    assert_eq!(found("struct S { #[cfg(test)] a: u8,\n b: crate::roof::B }"), one(2, "roof"));
}
