"""Which targets there are, for whoever asks for one that no rule makes."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

WILDCARD = re.compile(r"\{(\w+)\}")
MOST_NAMED = 3


@dataclass(frozen=True)
class TargetTable:
    """The targets of the workflow.

    Attributes:
        rules: names of the rules that can be asked for.
        patterns: paths of the outputs, with wildcards in braces.
        names: known values of the wildcards.
        spelling: what a wildcard's values look like, in words.
        results: folder of the results as configured.
    """

    rules: Sequence[str]
    patterns: Sequence[str]
    names: Mapping[str, Sequence[str]]
    spelling: Mapping[str, str]
    results: str

    def explain(self, asked: str) -> str:
        """Return a sentence on a target that no rule makes, and on the nearest that exist."""
        start = f"no rule makes '{asked}'"
        path = os.path.normpath(asked)
        if os.path.isabs(path):
            relative = os.path.relpath(path)
            if self._known(relative):
                return f"{start}: targets are named from this folder on: {relative}"
            path = path if relative.startswith("..") else relative
        outer = self._around(path)
        if outer:
            return f"{start}: it is a part of {outer}, so ask for that"
        inside = [known for known in self.known() if known.startswith(f"{path}/")]
        if inside:
            return f"{start} as a whole: name one of what is in it, such as {_some(inside)}"
        moved = self._moved(path)
        if moved:
            return f"{start}: targets follow the key 'results', which is '{self.results}': {moved}"
        misspelt = self._misspelt(path)
        if misspelt:
            start += f": {misspelt}"
        nearest = self.nearest(path)
        if nearest:
            return f"{start}. Did you mean {_some(nearest)}?"
        return f"{start}. Targets: {_some(self.rules)}, and the files of docs/workflow.md"

    def known(self) -> list[str]:
        """Return the paths of the targets whose names are known."""
        found = []
        for pattern in self.patterns:
            wildcards = list(dict.fromkeys(WILDCARD.findall(pattern)))
            for values in product(*(self.names.get(name, ()) for name in wildcards)):
                found.append(_filled(pattern, dict(zip(wildcards, values, strict=True))))
        return found

    def nearest(self, path: str) -> list[str]:
        """Return the rules and paths that are most alike, the best first; none if none is alike."""
        known = self.known()
        named = [k for k in known if path in (Path(k).name, Path(k).stem)]
        endings = dict.fromkeys(Path(pattern).suffix for pattern in self.patterns)
        if not named:
            named = [path + e for e in endings if e and self._known(path + e)]
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
        parents = [str(parent) for parent in Path(path).parents]
        known = set(self.known())
        return next((parent for parent in parents if parent in known), None)

    def _moved(self, path: str) -> str | None:
        """Return the target that the path was under the default folder of the results."""
        first, _, rest = path.partition("/")
        moved = os.path.normpath(os.path.join(self.results, rest))
        return moved if first == "results" and moved != path and self._known(moved) else None

    def _misspelt(self, path: str) -> str | None:
        """Return what is wrong with the part of a path that stands where a name is expected."""
        for pattern in self.patterns:
            found = _matches(pattern, path)
            for wildcard, value in found.groupdict().items() if found else ():
                if wildcard in self.spelling:
                    return f"'{value}' is no name of {self.spelling[wildcard]}"
        return None


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


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return WILDCARD.sub(lambda wildcard: values[wildcard[1]], pattern)


def _some(names: Iterable[str]) -> str:
    """Return the first of many names."""
    names = list(dict.fromkeys(names))
    more = f" ({len(names) - MOST_NAMED} more)" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
