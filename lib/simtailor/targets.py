"""Which targets there are, for whoever asks for one that no rule makes."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from simtailor.intake.names import printable

WILDCARD = re.compile(r"\{(\w+)\}")
MOST_NAMED = 3


@dataclass(frozen=True)
class TargetTable:
    """The targets of the workflow.

    Attributes:
        rules: names of the rules that can be asked for, those for users first.
        families: outputs, with wildcards, of the rules that cannot, by name.
        patterns: paths of the outputs, with wildcards in braces.
        names: known values of the wildcards.
        spelling: what a wildcard's values look like, in words.
        results: folder of the results as configured.
    """

    rules: Sequence[str]
    families: Mapping[str, str]
    patterns: Sequence[str]
    names: Mapping[str, Sequence[str]]
    spelling: Mapping[str, str]
    results: str

    def explain(self, asked: str) -> str:
        """Return a sentence on a target that no rule makes, and on the nearest that exist."""
        asked = printable(asked)
        if asked in self.families:
            return self._of_family(asked)
        return f"no rule makes '{asked}'{self._why(asked)}"

    def _of_family(self, asked: str) -> str:
        family = self.families[asked]
        filled = self._filled(family)
        example = f", such as {_some(filled)}" if filled else ""
        return f"'{asked}' makes {family}, one for every name: ask for one{example}"

    def _why(self, asked: str) -> str:
        path = os.path.normpath(asked)
        if os.path.isabs(path):
            relative = os.path.relpath(path)
            if self._known(relative):
                return f": targets are named from this folder on: {relative}"
            path = path if relative.startswith("..") else relative
        outer = self._around(path)
        if outer:
            return f": it is a part of {outer}, so ask for that"
        inside = [known for known in self.known() if known.startswith(f"{path}/")]
        if inside:
            return f" as a whole: name one of what is in it, such as {_some(inside)}"
        moved = self._moved(path)
        if moved:
            return f": targets follow the key 'results', which is '{self.results}': {moved}"
        nearest = self.nearest(path)
        pattern, misspelt = self._misspelt(path)
        said = f": {misspelt}" if misspelt else ""
        if misspelt:
            near = difflib.get_close_matches(path, self._filled(pattern), MOST_NAMED, 0)
            nearest = near or nearest
        if nearest:
            return f"{said}. Did you mean {_some(nearest)}?"
        return f"{said}. Targets: {_some(self.rules)}, and the files of docs/workflow.md"

    def known(self) -> list[str]:
        """Return the paths of the targets whose names are known, results first."""
        found = [path for pattern in self.patterns for path in self._filled(pattern)]
        return sorted(found, key=lambda path: not path.startswith(f"{self.results}/"))

    def nearest(self, path: str) -> list[str]:
        """Return the rules and paths that are most alike, the best first; none if none is alike."""
        known = self.known()
        named = [k for k in known if path in (Path(k).name, Path(k).stem)]
        if not named:  # the ending is missing
            endings = [(pattern, Path(pattern).suffix) for pattern in self.patterns]
            named = [path + e for pattern, e in endings if e and _matches(pattern, path + e)]
        if named:
            return named
        if "/" not in path:
            last = {Path(k).name: k for k in reversed(known)}
            close = difflib.get_close_matches(path, [*self.rules, *last], MOST_NAMED, 0.7)
            return [name if name in self.rules else last[name] for name in close]
        return difflib.get_close_matches(path, known, MOST_NAMED, 0.7)

    def _known(self, path: str) -> bool:
        return any(_matches(pattern, path) for pattern in self.patterns)

    def _around(self, path: str) -> str | None:
        """Return the target that a path lies in."""
        parents = (str(parent) for parent in Path(path).parents)
        return next((parent for parent in parents if self._known(parent)), None)

    def _moved(self, path: str) -> str | None:
        """Return the target that the path was under the default folder of the results."""
        first, _, rest = path.partition("/")
        moved = os.path.normpath(os.path.join(self.results, rest))
        return moved if first == "results" and moved != path and self._known(moved) else None

    def _misspelt(self, path: str) -> tuple[str, str | None]:
        """Return the pattern of a path, and which of the names in it is none."""
        for pattern in self.patterns:
            found = _matches(pattern, path)
            for wildcard, value in found.groupdict().items() if found else ():
                if wildcard in self.spelling:
                    return pattern, f"'{value}' is no name of {self.spelling[wildcard]}"
        return "", None

    def _filled(self, pattern: str) -> list[str]:
        """Return the paths that a pattern stands for, with all known names."""
        wildcards = list(dict.fromkeys(WILDCARD.findall(pattern)))
        names = [self.names.get(wildcard, ()) for wildcard in wildcards]
        return [
            pattern.format(**dict(zip(wildcards, values, strict=True)))
            for values in product(*names)
        ]


def _matches(pattern: str, path: str) -> re.Match[str] | None:
    """Match a path, whatever its wildcards are spelt like."""
    expression, end, seen = "", 0, set()
    for wildcard in WILDCARD.finditer(pattern):
        name = wildcard[1]
        expression += re.escape(pattern[end : wildcard.start()])
        expression += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
        end = wildcard.end()
        seen.add(name)
    return re.fullmatch(expression + re.escape(pattern[end:]), path)


def _some(names: Iterable[str]) -> str:
    """Return the first of many names."""
    names = list(dict.fromkeys(names))
    more = f" ({len(names) - MOST_NAMED} more)" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
