"""Mistakes in a command line of Snakemake, explained before it starts.

``python -m simtailor.commandline ARGUMENTS`` writes a paragraph and ends with status 2 if
``./run snakemake ARGUMENTS`` cannot mean what it says. What it does not know it lets pass. It
prints the words that the launcher puts before the arguments.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from simtailor.errors import UserError, nearest_name
from simtailor.yaml_files import read_yaml

CONFIGFILE, CONFIG, CORES, JOBS, PROFILE, WORKFLOW_PROFILE = (
    "--configfile",
    "--config",
    "--cores",
    "--jobs",
    "--profile",
    "--workflow-profile",
)
SHORT = {"-c": CORES, "-j": JOBS, "-C": CONFIG, "-R": "--forcerun", "-U": "--until",
         "-O": "--omit-from", "-P": "--prioritize", "-q": "--quiet"}  # fmt: skip
FLAGS = "nkpFft"  # short options without a value, which may stand before another in one word
# Options that take all words up to the next one, by what their values look like.
PAIRS = ("--resources", "--set-threads", "--set-resources", "--set-scatter",
         "--set-resource-scopes", "--default-resources", "--groups",
         "--group-components")  # fmt: skip
NAMES = ("--forcerun", "--until", "--omit-from", "--prioritize", "--allowed-rules",
         "--preemptible-rules", "--target-jobs")  # fmt: skip
CHOICES = {
    "--quiet": ("all", "host", "progress", "reason", "rules"),
    "--rerun-triggers": ("code", "input", "mtime", "params", "software-env"),
}
SINGLE = (CORES, JOBS, PROFILE, "--executor", "--batch", WORKFLOW_PROFILE)
SUFFIXES = (".yaml", ".yml", ".json")
PROFILES = Path("profiles")
# Long options of every day; of others Snakemake itself is asked, which takes a second or two.
COMMON = (
    "--batch", "--config", "--configfile", "--configfiles", "--cores", "--dry-run", "--dryrun",
    "--executor", "--force", "--forceall", "--help", "--jobs", "--keep-going", "--lint", "--list",
    "--list-rules", "--nolock", "--profile", "--report", "--rerun-incomplete", "--summary",
    "--touch", "--unlock", "--verbose", "--version", WORKFLOW_PROFILE, *PAIRS,
    *NAMES, *CHOICES,
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
    _check_cache_folder()
    _check_names(before)
    _check_empty(arguments)
    found = _options(before)
    for option, values in found:
        if option == CONFIGFILE:
            _check_files(arguments, values)
        elif option == CONFIG:
            _check_settings(arguments, values)
        elif option in (CORES, JOBS) and values:
            _check_number(option, values[0])
        elif option == PROFILE and values:
            _check_profile(values[0])
        elif option in PAIRS:
            _check_swallowed(option, arguments, values, [v for v in values[1:] if "=" not in v])
        elif option in CHOICES:
            _check_choices(option, arguments, values)
        elif option in NAMES and not _has_target(arguments, found):
            _check_swallowed(option, arguments, values, [v for v in values[1:] if "/" in v])


def _options(arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return each option with all words that could be its values; targets have the option ''."""
    found: list[tuple[str, list[str]]] = [("", [])]
    targets: tuple[str, list[str]] = ("", [])  # what follows a value that is tied to its option
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found += [(_whole(name), [value]), targets] if equals else [(_whole(name), [])]
        elif re.match(r"-[^\d.]", word):  # a negative number is a value
            while len(word) > 2 and word[1] in FLAGS:
                found.append((word[:2], []))
                word = f"-{word[2:]}"  # noqa: PLW2901
            attached = word[2:].removeprefix("=")
            name = SHORT.get(word[:2], word)
            found += [(name, [attached]), targets] if attached else [(name, [])]
        else:
            found[-1][1].append(word)
    return found


def _whole(name: str) -> str:
    """Return an option's whole name; Snakemake takes the beginning of one, too."""
    if name in COMMON:
        return name.replace("--configfiles", CONFIGFILE)
    known = (CONFIGFILE, CORES, PROFILE, *PAIRS, *NAMES, *CHOICES)
    longer = [one for one in known if one.startswith(name)]
    return longer[0] if longer else name


def _check_names(arguments: Sequence[str]) -> None:
    names = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if all(any(one.startswith(name) for one in COMMON) for name in names):
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
        if i > 0 and not value.endswith(SUFFIXES) and not os.path.isfile(path):
            _say_separator(CONFIGFILE, arguments, values[i:])
        try:
            read_yaml(path)
        except UserError as error:
            near = ""
            if not os.path.lexists(path):
                folder = path.parent if os.path.isdir(path.parent) else Path()
                near = nearest_name(path.name, (p.name for p in folder.glob("*.y*ml")))
            raise UserError(f"{CONFIGFILE}: {error}{near}") from None


def _check_cache_folder() -> None:
    """Check that Snakemake's cache can be made: it shows a traceback where it cannot."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    there = next((p for p in (Path(cache), *Path(cache).parents) if os.path.lexists(p)), Path())
    if not (os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)):
        raise UserError(
            f"Snakemake keeps a cache in {cache}, and {there} is no folder that can be written: "
            "set XDG_CACHE_HOME to one"
        )


def _check_empty(arguments: Sequence[str]) -> None:
    for i, word in enumerate(arguments):
        before = arguments[i - 1] if i else ""
        value = before.startswith("--") and before not in ("--", *COMMON)
        if not word and not value:
            raise UserError(
                f"word {i + 1} of the command is empty (''), as from a variable that is not set: "
                "name a target, or remove it"
            )


def _has_target(arguments: Sequence[str], found: Sequence[tuple[str, list[str]]]) -> bool:
    """Return whether a target stands where no option takes it for its own."""
    if "--" in arguments and arguments[-1] != "--":
        return True
    many = (CONFIGFILE, CONFIG, *PAIRS, *NAMES, *CHOICES)
    return any(
        values[1 if option in SINGLE else 0 :] for option, values in found if option not in many
    )


def _check_choices(option: str, arguments: Sequence[str], values: Sequence[str]) -> None:
    known = CHOICES[option]
    wrong = [value for value in values if value not in known]
    near = nearest_name(wrong[0], known) if wrong else ""
    if wrong and ((wrong[0] == values[0] and option != "--quiet") or near):
        raise UserError(f"{option} {wrong[0]}: expected some of {', '.join(known)}.{near}")
    _check_swallowed(option, arguments, values, wrong)


def _check_swallowed(
    option: str, arguments: Sequence[str], values: Sequence[str], wrong: Sequence[str]
) -> None:
    """Refuse an option's values from the first of ``wrong`` on, which look like targets."""
    if wrong:
        _say_separator(option, arguments, values[values.index(wrong[0]) :])


def _check_settings(arguments: Sequence[str], values: Sequence[str]) -> None:
    for i, value in enumerate(values):
        if _open_brackets(value) and i + 1 < len(values):
            end = i + 1
            while end < len(values) and _open_brackets(" ".join(values[i:end])):
                end += 1
            whole = " ".join(values[i:end])
            raise UserError(
                f"{CONFIG} {value}: the brackets are not closed in this word; put quotes around "
                f"the whole: {CONFIG} {shlex.quote(whole)}"
            )
        if "=" in value:
            continue
        if i > 0:
            _say_separator(CONFIG, arguments, values[i:])
        raise UserError(
            f"{CONFIG} {value}: expected KEY=VALUE; a key below another is written as "
            f"{CONFIG} 'task2sim={{simulation: {{images: 100}}}}'"
        )


def _open_brackets(text: str) -> bool:
    return sum(text.count(c) for c in "{[") > sum(text.count(c) for c in "}]")


def _say_separator(option: str, arguments: Sequence[str], targets: Sequence[str]) -> NoReturn:
    """Explain that an option has taken targets for its own.

    Raises:
        UserError: always, with the command line as it should be.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [word for word in arguments[:end] if word not in targets]
    after = [*targets, *arguments[end + 1 :]]
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


def words_of_profile(arguments: Sequence[str]) -> list[str]:
    """Return the default profile as words of a command line.

    Snakemake finds that profile by itself, but tells so in every run. None where the arguments
    name another.
    """
    if any(_whole(word.partition("=")[0]) == WORKFLOW_PROFILE for word in arguments):
        return []
    settings = read_yaml(PROFILES / "default/config.yaml")
    words = [f"--{key}" if value is True else f"--{key}={value}" for key, value in settings.items()
             if value is not False]  # fmt: skip
    return [f"{WORKFLOW_PROFILE}=none", *words]


if __name__ == "__main__":
    try:
        check(sys.argv[1:])
        print(*words_of_profile(sys.argv[1:]), flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # who asked was stopped
        os._exit(1)  # without a second try to write at exit
    except KeyboardInterrupt:
        sys.exit(130)
