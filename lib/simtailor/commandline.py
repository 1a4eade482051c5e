"""Mistakes in a command line of Snakemake, explained before it starts.

``python -m simtailor.commandline ARGUMENTS`` writes a paragraph and ends with status 2 if
``./run snakemake ARGUMENTS`` cannot mean what it says. What it does not know it lets pass.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import yaml

from simtailor.errors import UserError, nearest_name

CONFIGFILE, CONFIG, CORES, JOBS, PROFILE = (
    "--configfile",
    "--config",
    "--cores",
    "--jobs",
    "--profile",
)
SHORT = {"-c": CORES, "-j": JOBS, "-C": CONFIG}
SUFFIXES = (".yaml", ".yml", ".json")
PROFILES = Path("profiles")
# Long options of every day; of others Snakemake itself is asked, which takes a second or two.
COMMON = (
    "--batch", "--config", "--configfile", "--configfiles", "--cores", "--dry-run", "--dryrun",
    "--executor", "--forceall", "--forcerun", "--help", "--jobs", "--keep-going", "--lint",
    "--list", "--list-rules", "--nolock", "--profile", "--quiet", "--report", "--resources",
    "--rerun-incomplete", "--rerun-triggers", "--set-resources", "--set-threads", "--summary",
    "--touch", "--unlock", "--until", "--verbose", "--version", "--workflow-profile",
)  # fmt: skip
PRINT_OPTIONS = (
    "from snakemake.cli import get_argument_parser\n"
    "for action in get_argument_parser()._actions: print(*action.option_strings)"
)


def check(arguments: Sequence[str]) -> None:
    """Refuse arguments of Snakemake that cannot mean what they say.

    Raises:
        UserError: names the argument and the command line that was probably meant.
    """
    before = list(arguments)
    if "--" in before:
        before = before[: before.index("--")]
    _check_names(before)
    for option, values in _options(before):
        if option == CONFIGFILE:
            _check_files(arguments, values)
        elif option == CONFIG:
            _check_settings(arguments, values)
        elif option in (CORES, JOBS) and values:
            _check_number(option, values[0])
        elif option == PROFILE and values:
            _check_profile(values[0])


def _options(arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return each option with all words that could be its values."""
    found: list[tuple[str, list[str]]] = []
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found.append((_whole(name), [value] if equals else []))
        elif word.startswith("-") and len(word) > 1:
            attached = word[2:].removeprefix("=")
            found.append((SHORT.get(word[:2], word), [attached] if attached else []))
        elif found:
            found[-1][1].append(word)
    return found


def _whole(name: str) -> str:
    """Return an option's whole name; Snakemake takes the beginning of one, too."""
    if name in COMMON:
        return name.replace("--configfiles", CONFIGFILE)
    longer = [one for one in (CONFIGFILE, CORES, PROFILE) if one.startswith(name)]
    return longer[0] if longer else name


def _check_names(arguments: Sequence[str]) -> None:
    names = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if all(name in COMMON for name in names):
        return
    command = [sys.executable, "-c", PRINT_OPTIONS]
    known = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    for name in names:
        if known and not any(one.startswith(name) for one in known):
            long = [one for one in known if one.startswith("--")]
            raise UserError(
                f"Snakemake has no option {name}.{nearest_name(name, long)} "
                "'./run snakemake --help' lists them."
            )


def _check_files(arguments: Sequence[str], values: Sequence[str]) -> None:
    for i, value in enumerate(values):
        path = Path(value)
        if i > 0 and not value.endswith(SUFFIXES) and not path.is_file():
            _say_separator(CONFIGFILE, arguments, values[i:])
        if path.is_dir():
            raise UserError(f"{CONFIGFILE} {value}: this is a folder; a YAML file is expected")
        try:
            _check_yaml(path)
        except OSError as error:
            folder = path.parent if path.parent.is_dir() else Path()
            near = nearest_name(path.name, (p.name for p in folder.glob("*.y*ml")))
            raise UserError(
                f"{CONFIGFILE} {value}: cannot read this file: {error.strerror}.{near}"
            ) from None


def _check_yaml(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: this is no text in UTF-8") from None
    try:
        json.loads(text)  # JSON may hold tabs, YAML may not
    except ValueError:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise UserError(_yaml_mistake(path, error)) from None
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise UserError(f"{path}: expected keys and values") from None


def _yaml_mistake(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{where}: this is no YAML: {problem}"


def _check_settings(arguments: Sequence[str], values: Sequence[str]) -> None:
    for i, value in enumerate(values):
        if "=" in value:
            continue
        if i > 0:
            _say_separator(CONFIG, arguments, values[i:])
        raise UserError(
            f"{CONFIG} {value}: expected KEY=VALUE; a key below another is written as "
            f"{CONFIG} 'task2sim={{simulation: {{images: 100}}}}'"
        )


def _say_separator(option: str, arguments: Sequence[str], targets: Sequence[str]) -> NoReturn:
    """Explain that an option has taken targets for its own.

    Raises:
        UserError: always, with the command line as it should be.
    """
    kept = [word for word in arguments if word not in (*targets, "--")]
    after = [word for word in arguments if word in targets]
    raise UserError(
        f"{option} takes all words up to the next option, so '{targets[0]}' too. If this is a "
        f"target, give targets last, after --: ./run snakemake {shlex.join([*kept, '--', *after])}"
    )


def _check_number(option: str, value: str) -> None:
    words = ("all", "unlimited")
    if value in words or (value.isascii() and value.isdigit() and int(value) > 0):
        return
    raise UserError(f"{option} {value}: expected a number of 1 or more, or 'all'")


def _check_profile(value: str) -> None:
    folders = (Path(), Path.home() / ".config/snakemake", Path("/etc/xdg/snakemake"))
    if value == "none" or any((folder / value).exists() for folder in folders):
        return
    known = sorted(path.name for path in PROFILES.glob("*") if path.is_dir())
    raise UserError(
        f"{PROFILE} {value}: there is no such profile.{nearest_name(value, known)} "
        f"Here are: {', '.join(known)}; others are folders with a config.yaml"
    )


if __name__ == "__main__":
    try:
        check(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
