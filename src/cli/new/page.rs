//! The text of a model file.

use super::ends::{Input, Names, Sketch, Target, quoted};

/// Units of a branch of numbers, and of the layer after all branches.
const UNITS: usize = 32;

/// A text in the making.
struct Page {
    text: String,
    names: Names,
}

/// A model file with a branch for every input and a head for every target.
pub(super) fn page(name: &str, data: &str, sketch: &Sketch) -> String {
    let mut names = Names::default();
    for taken in
        sketch.inputs.iter().map(|it| &it.name).chain(sketch.targets.iter().map(|it| &it.name))
    {
        names.new_name(taken);
    }
    let mut page = Page { text: String::new(), names };
    page.line(&format!("# A first model for {}.", data.escape_debug()));
    page.line("# `caudal model-file` lists every kind of node with its attributes; `caudal summary` shows the network.");
    for comment in &sketch.comments {
        page.line(&format!("# {comment}"));
    }
    page.line(&format!("name = {}", quoted(name)));
    for input in &sketch.inputs {
        page.end("input", &input.name, &shape(&input.shape), &input.lines);
    }
    let branches: Vec<Vec<String>> =
        sketch.inputs.iter().map(|input| page.branches(input)).collect();
    let branches = branches.concat();
    let mut last = if let [one] = &branches[..] {
        one.clone()
    } else {
        page.comment("All branches together.");
        page.layer("all", "concat", &branches, &[])
    };
    page.comment("What the targets have in common.");
    last = page.layer("common", "dense", &[last], &[&format!("units = {}", 2 * UNITS)]);
    last = page.layer("common-relu", "relu", &[last], &[]);
    for target in &sketch.targets {
        page.head(target, &last);
    }
    page.line("");
    page.line("[train]");
    page.line("epochs = 20");
    page.line("batch_size = 32");
    page.line("optimizer = { kind = \"adam\", learning_rate = 0.001 } # `caudal find-rate` looks for a rate");
    page.text
}

fn shape(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    format!("[{}]", axes.join(", "))
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.line("");
        self.text.push_str("# ");
        self.text.push_str(text);
    }

    /// An input or a target.
    fn end(&mut self, kind: &str, name: &str, shape: &str, lines: &[String]) {
        self.line("\n[[node]]");
        self.line(&format!("name = {}", quoted(name)));
        self.line(&format!("kind = \"{kind}\""));
        self.line(&format!("shape = {shape}"));
        for line in lines {
            self.line(line);
        }
    }

    /// A node that computes something, under a name like `name`.
    fn layer(&mut self, name: &str, kind: &str, inputs: &[String], lines: &[&str]) -> String {
        let name = self.names.new_name(name);
        let inputs: Vec<String> = inputs.iter().map(|input| quoted(input)).collect();
        self.line("\n[[node]]");
        self.line(&format!("name = {}", quoted(&name)));
        self.line(&format!("kind = \"{kind}\""));
        self.line(&format!("inputs = [{}]", inputs.join(", ")));
        for line in lines {
            self.line(line);
        }
        name
    }

    /// The branches that begin with an input: one of dense layers, or for images two of convolutions.
    fn branches(&mut self, input: &Input) -> Vec<String> {
        let base = &input.name;
        let [height, width, _] = input.shape[..] else {
            self.comment(&format!("The branch of {base}."));
            let units = format!("units = {UNITS}");
            let last = self.layer(
                &format!("{base}-dense"),
                "dense",
                std::slice::from_ref(base),
                &[&units],
            );
            return vec![self.layer(&format!("{base}-relu"), "relu", &[last], &[])];
        };
        let mut branches = Vec::new();
        for kernel in [3, 5] {
            self.comment(&format!("The branch of {kernel} x {kernel} windows."));
            let (mut last, mut filters) = (base.clone(), 16);
            let (mut height, mut width) = (height, width);
            // Half as high and wide, twice as deep, as often as that goes.
            for number in 1..=3 {
                let name = |what: &str| format!("{what}{kernel}-{number}");
                let lines = [
                    format!("filters = {filters}"),
                    format!("kernel = {kernel}"),
                    "padding = \"same\"".to_owned(),
                ];
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                last = self.layer(&name("conv"), "conv2d", &[last], &lines);
                last = self.layer(&name("relu"), "relu", &[last], &[]);
                if height.min(width) < 4 {
                    break;
                }
                last = self.layer(&name("pool"), "maxpool", &[last], &["size = 2"]);
                (height, width, filters) = (height / 2, width / 2, 2 * filters);
            }
            branches.push(self.layer(&format!("mean{kernel}"), "global_avg_pool", &[last], &[]));
        }
        branches
    }

    /// What is computed for a target, its loss and its metrics.
    fn head(&mut self, target: &Target, last: &str) {
        let name = &target.name;
        let shape = if target.classes.is_some() { "[]" } else { "[1]" };
        self.end("target", name, shape, &target.lines);
        let units = format!("units = {}", target.classes.unwrap_or(1));
        let output =
            format!("{name}-{}", if target.classes.is_some() { "scores" } else { "value" });
        let output = self.layer(&output, "dense", &[last.to_owned()], &[&units]);
        let both = [output, name.clone()];
        let kinds = match target.classes {
            Some(_) => ["softmax_cross_entropy", "accuracy", "confusion_matrix"],
            None => ["mean_squared_error", "mae", "r2"],
        };
        for (kind, what) in kinds.into_iter().zip(["loss", "", ""]) {
            let what = if what.is_empty() { kind } else { what };
            self.layer(&format!("{name}-{what}"), kind, &both, &[]);
        }
    }
}
