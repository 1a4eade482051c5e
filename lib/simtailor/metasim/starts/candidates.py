"""Starts of the generator that the matches of the search suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.copies import stacked
from simtailor.metasim.generator import NO_SPREAD
from simtailor.metasim.search.archive import Matches
from simtailor.metasim.starts.fits import bent_start, like_gaussian, straight_start
from simtailor.metasim.starts.policy import STARTS, StartPolicy
from simtailor.metasim.transport import Start, TransportGenerator
from simtailor.render.renderer import Renderer
from simtailor.scene.attributes import unwrapped, wrapped
from simtailor.scene.graph import SceneGraphBatch

FITTED = "fitted"

Entries = dict[tuple[int, int], Start]  # by node or class, and feature


@dataclass(frozen=True, eq=False)
class Candidate:
    """A start of the generator.

    Attributes:
        name: for reports and summaries.
        take: puts the generator there.
        one_mode: it explains the matches by one mode of the several that they have.
    """

    name: str
    take: Callable[[], None]
    one_mode: bool = False


def starts_from(
    matches: Matches,
    generator: TransportGenerator,
    renderer: Renderer,
    prior: SceneGraphBatch,
    policy: StartPolicy = STARTS,
) -> Iterator[Candidate]:
    """Yield starts of the generator, the first of them ``fitted``.

    ``fitted`` moves every entry to where the good matches lie, as wide as they are, along a
    bent curve where they are far from Gaussian; ``by class`` moves every class by itself.
    Many things look much the same after half a turn, digits and slippers among them, so many
    matches may be wrong in the same way. Hence more starts for every angle: with half a turn
    more, or, where the angle has several modes, fitted to the matches in and out of the main
    one alone.
    """
    starts = _Starts(matches, generator, renderer, prior, policy)
    everything = np.ones(len(starts.matches.distances), dtype=bool)
    fitted = starts.fit(everything)
    common, by_class = starts.fit_classes(fitted)

    def take(entries: Entries, classes: Entries | None = None) -> None:
        generator.forget_classes()
        for entry, start in entries.items():
            generator.place(*entry, start)
        for (index, feature), start in (classes or {}).items():
            generator.place_class(index, feature, start)

    yield Candidate(FITTED, partial(take, fitted))
    if by_class:
        yield Candidate("by class", partial(take, fitted | common, by_class))
    for entry, start in fitted.items():
        turn = float(generator.turn[entry])
        if not turn:
            continue
        name = generator.layout.entry_name(*entry)
        if start.bend is None:
            opposite = start._replace(shift=float(wrapped(start.shift + turn / 2, turn)))
            turned = partial(take, fitted | {entry: opposite})
            yield Candidate(f"{name} turned by half a circle", turned)
            continue
        inside = starts.in_main_mode(entry)
        alone = {
            where: starts.fit(member, one_mode=True)
            for where, member in (("in", inside), ("out of", ~inside))
        }
        if all(entry in some for some in alone.values()):
            for where, some in alone.items():
                # Where a mode is wrong, many matches are: they neither widen nor hold the other.
                scale = min(1.0, some[entry].scale)
                some[entry] = some[entry]._replace(scale=scale, matches=0)
                one = partial(take, fitted | some)
                yield Candidate(f"{name} {where} its main mode", one, one_mode=True)


class _Starts:
    """Fits starts to matches, or to some of them."""

    def __init__(
        self,
        matches: Matches,
        generator: TransportGenerator,
        renderer: Renderer,
        prior: SceneGraphBatch,
        policy: StartPolicy,
    ) -> None:
        self.generator, self.policy = generator, policy
        centre = unambiguous_centre(matches.graphs, generator, renderer)
        self.same = stacked(centre.nearest(renderer, matches.graphs))
        copies = len(self.same.graphs) // len(matches.graphs)
        distances = np.tile(matches.distances, copies)
        self.matches = Matches(self.same.graphs, distances, matches.policy)
        firsts = set(generator.layout.firsts.tolist())
        self.entries = [entry for entry in generator.layout.entries() if entry[0] in firsts]
        features, _ = generator.encode(prior)
        self.standardised = generator.standardise(features).cpu().numpy()

    def fit(self, member: np.ndarray, one_mode: bool = False) -> Entries:
        """Return the start of every entry of which enough is known from some matches.

        Args:
            member: which matches count: bool [m].
            one_mode: all starts are straight; what lies far off is wrong rather than a mode.
        """
        starts = {}
        for entry in self.entries:
            good = self._good(entry) & member
            if not member.all() and good.sum() < self.policy.fewest_of_a_class:
                continue
            sample = self._values(entry, good)
            if not len(sample):
                continue
            # Without a spread in the grammar there is nothing to bend.
            flat = float(self.generator.spread[entry]) <= NO_SPREAD
            if one_mode or flat or self._gaussian(sample):
                wide = self._values(entry, self._known(entry) & member)
                width = self._straight(wide, entry)
                middle = self._straight(sample, entry)
                starts[entry] = middle._replace(scale=width.scale)
            else:
                knots = self.standardised[:, *entry]
                starts[entry] = bent_start(sample, knots, self.generator, entry, self.policy)
        return starts

    def fit_classes(self, fitted: Entries) -> tuple[Entries, Entries]:
        """Return starts that all classes share, and what each class starts further by.

        The latter are by (class, feature). Classes that lie far apart make several modes of all
        matches together; each class has but one, so its start is straight then, and as wide as
        the classes are by themselves.
        """
        common, further = {}, {}
        features = [feature for _, feature in self.entries]
        for entry, of_all in fitted.items():
            node, feature = entry
            if features.count(feature) > 1:  # nodes share what is known of a class
                continue
            good = self._good(entry)
            classes = self.same.graphs.classes[:, node]
            members = {int(index): good & (classes == index) for index in np.unique(classes)}
            values = {
                index: self._values(entry, member)
                for index, member in members.items()
                if member.sum() >= self.policy.fewest_of_a_class
            }
            if len(members) < 2 or not values:
                continue
            if of_all.bend is not None and not all(map(self._gaussian, values.values())):
                continue
            own = {i: self._straight(v, entry) for i, v in values.items()}
            if of_all.bend is not None:
                scale = float(np.exp(np.mean([np.log(start.scale) for start in own.values()])))
                common[entry] = of_all._replace(scale=scale, bend=None)
            turn = float(self.generator.turn[entry])
            for index, start in own.items():
                shift = float(wrapped(start.shift - of_all.shift, turn))
                further[index, feature] = start._replace(shift=shift)
        return common, further

    def in_main_mode(self, entry: tuple[int, int]) -> np.ndarray:
        """Return the matches within a quarter of a turn of where they are densest: bool [m]."""
        turn = float(self.generator.turn[entry])
        values = self.same.graphs.features[:, *entry]
        good = values[self._good(entry)]
        near = np.abs(wrapped(good[:, None] - good, turn)) < turn * self.policy.dense
        densest = good[np.argmax(near.sum(1))]
        return np.abs(wrapped(values - densest, turn)) < turn * self.policy.mode

    def _known(self, entry: tuple[int, int]) -> np.ndarray:
        return np.isfinite(self.matches.distances) & self.same.identified[:, *entry]

    def _good(self, entry: tuple[int, int]) -> np.ndarray:
        return self._known(entry) & self.matches.good(entry[0])

    def _values(self, entry: tuple[int, int], member: np.ndarray) -> np.ndarray:
        values = self.same.graphs.features[member, *entry]
        return unwrapped(values, float(self.generator.turn[entry]))

    def _gaussian(self, values: np.ndarray) -> bool:
        return like_gaussian(values, self.policy)

    def _straight(self, values: np.ndarray, entry: tuple[int, int]) -> Start:
        return straight_start(values, self.generator, entry, self.policy)
