//! `caudal completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::line;
use super::{Arguments, Stop};

/// Prints what a shell needs to complete commands and options of `caudal`.
///
/// For bash: `caudal completions bash > ~/.local/share/bash-completion/completions/caudal`; for zsh, in a folder of $fpath, a file
/// `_caudal`; for fish: `~/.config/fish/completions/caudal.fish`; in PowerShell:
/// `caudal completions powershell | Out-String | Invoke-Expression`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Stop> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "caudal", &mut script);
        line(String::from_utf8_lossy(&script).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        let commands = Arguments::command();
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "caudal", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in commands.get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
            assert!(script.contains("learning-rate-log"), "{shell}: options");
        }
    }
}
