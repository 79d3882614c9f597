"""``python -m gateway completion bash|zsh``: the names of commands and options by the Tab key.

Knows the shells. What they are told comes from click.
"""

from __future__ import annotations

import shlex
import sys

import click

COMPLETE_VARIABLE = "_GATEWAY_COMPLETE"

_BASH = """\
gateway() { %(command)s "$@"; }
_gateway_completion() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
        %(variable)s=bash_complete %(command)s 2>/dev/null); do
        COMPREPLY+=("${line#*,}")
    done
}
complete -o default -F _gateway_completion gateway
"""
_ZSH = """\
gateway() { %(command)s "$@"; }
_gateway_completion() {
    local -a found lines
    local index
    lines=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(variable)s=zsh_complete %(command)s 2>/dev/null)}")
    for ((index = 2; index <= $#lines; index += 3)); do
        found+=("$lines[index]")
    done
    compadd -a found
}
compdef _gateway_completion gateway
"""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
def completion_command(shell: str) -> None:
    """Print what makes "gateway" a command of your shell, which completes.

    Put it in force with: source <(python -m gateway completion bash)
    """
    script = _BASH if shell == "bash" else _ZSH
    command = f"{shlex.quote(sys.executable)} -m gateway"
    click.echo(script % {"command": command, "variable": COMPLETE_VARIABLE}, nl=False)
