"""Starts of the generator, from the matches of the population search.

``starts_from`` says where the matches lie, in several ways, for many of them may be wrong in
the same way. The best starts train on trial, and ``best_start`` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.stats import shapiro

from simtailor.metasim.ambiguity import unambiguous_centre
from simtailor.metasim.generator import CURVE_END, NO_SPREAD, SEGMENTS, Start, TransportGenerator
from simtailor.metasim.search import FEWEST_OF_A_CLASS, Matches
from simtailor.render.renderer import Renderer
from simtailor.scene.attributes import unwrapped, wrapped
from simtailor.scene.graph import SceneGraphBatch

FEWEST_TO_BEND = 40
HALF_OF_A_GAUSSIAN = 0.6745  # spreads on either side of the mean that hold half of it
FAR = 3.5  # spreads from the middle
MAIN_MODE = "its main mode"  # ends the names of starts in one mode of several
RIVAL = 5.0  # times the discrepancy of the best start, of one that may train on trial
LEAST_GAIN = 0.5  # share of the discrepancy of the start 'fitted' that another has to reach
TRIALS = 3

Entries = dict[tuple[int, int], Start]  # by node or class, and feature


def starts_from(
    matches: Matches, generator: TransportGenerator, renderer: Renderer, prior: SceneGraphBatch
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield starts of the generator by name, each with a function that takes it.

    ``fitted`` moves every entry to where the good matches lie, as wide as they are, along a
    bent curve where they are far from Gaussian; ``by class`` moves every class by itself.
    Many things look much the same after half a turn, digits and slippers among them, so many
    matches may be wrong in the same way. Hence more starts for every angle: with half a turn
    more, or, where the angle has several modes, fitted to the matches in and out of the main
    one alone.
    """
    starts = _Starts(matches, generator, renderer, prior)
    everything = np.ones(len(matches.distances), dtype=bool)
    fitted = starts.fit(everything)
    common, by_class = starts.fit_classes(fitted)

    def take(entries: Entries, classes: Entries | None = None) -> None:
        generator.forget_classes()
        for entry, start in entries.items():
            generator.place(*entry, start)
        for (index, feature), start in (classes or {}).items():
            generator.place_class(index, feature, start)

    yield "fitted", partial(take, fitted)
    if by_class:
        yield "by class", partial(take, fitted | common, by_class)
    for entry, start in fitted.items():
        turn = float(generator.turn[entry])
        if not turn:
            continue
        name = generator.layout.entry_name(*entry)
        if start.bend is None:
            opposite = start._replace(shift=float(wrapped(start.shift + turn / 2, turn)))
            yield f"{name} turned by half a circle", partial(take, fitted | {entry: opposite})
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
                yield f"{name} {where} {MAIN_MODE}", partial(take, fitted | some)


class _Starts:
    """Fits starts to matches, or to some of them."""

    def __init__(
        self,
        matches: Matches,
        generator: TransportGenerator,
        renderer: Renderer,
        prior: SceneGraphBatch,
    ) -> None:
        self.matches, self.generator = matches, generator
        centre = unambiguous_centre(matches.graphs, generator, renderer)
        self.same = centre.nearest(renderer, matches.graphs)
        features, _ = generator.encode(prior)
        self.standardised = generator.standardise(features).cpu().numpy()

    def fit(self, member: np.ndarray, one_mode: bool = False) -> Entries:
        """Return the start of every entry of which enough is known from some matches.

        Args:
            member: which matches count: bool [m].
            one_mode: all starts are straight; what lies far off is wrong rather than a mode.
        """
        starts = {}
        for entry in self.generator.layout.entries():
            good = self._good(entry) & member
            if not member.all() and good.sum() < FEWEST_OF_A_CLASS:
                continue
            sample = self._values(entry, good)
            if not len(sample):
                continue
            # Without a spread in the grammar there is nothing to bend.
            flat = float(self.generator.spread[entry]) <= NO_SPREAD
            if one_mode or flat or _like_gaussian(sample):
                wide = self._values(entry, self._known(entry) & member)
                width = straight_start(wide, self.generator, entry)
                middle = straight_start(sample, self.generator, entry)
                starts[entry] = middle._replace(scale=width.scale)
            else:
                knots = self.standardised[:, *entry]
                starts[entry] = bent_start(sample, knots, self.generator, entry)
        return starts

    def fit_classes(self, fitted: Entries) -> tuple[Entries, Entries]:
        """Return starts that all classes share, and what each class starts further by.

        The latter are by (class, feature). Classes that lie far apart make several modes of all
        matches together; each class has but one, so its start is straight then, and as wide as
        the classes are by themselves.
        """
        common, further = {}, {}
        features = [feature for _, feature in self.generator.layout.entries()]
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
                if member.sum() >= FEWEST_OF_A_CLASS
            }
            if len(members) < 2 or not values:
                continue
            if of_all.bend is not None and not all(map(_like_gaussian, values.values())):
                continue
            own = {i: straight_start(v, self.generator, entry) for i, v in values.items()}
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
        near = np.abs(wrapped(good[:, None] - good, turn)) < turn / 24
        densest = good[np.argmax(near.sum(1))]
        return np.abs(wrapped(values - densest, turn)) < turn / 4

    def _known(self, entry: tuple[int, int]) -> np.ndarray:
        return np.isfinite(self.matches.distances) & self.same.identified[:, *entry]

    def _good(self, entry: tuple[int, int]) -> np.ndarray:
        return self._known(entry) & self.matches.good(entry[0])

    def _values(self, entry: tuple[int, int], member: np.ndarray) -> np.ndarray:
        values = self.same.graphs.features[member, *entry]
        return unwrapped(values, float(self.generator.turn[entry]))


def _like_gaussian(values: np.ndarray) -> bool:
    """Return whether a sample may be Gaussian, a few far outliers apart (Shapiro and Wilk 1965)."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    width = max((high - low) / (2 * HALF_OF_A_GAUSSIAN), 1e-9)
    values = values[np.abs(values - middle) <= FAR * width]
    return len(values) < FEWEST_TO_BEND or np.ptp(values) == 0 or shapiro(values).pvalue > 0.01


def straight_start(
    values: np.ndarray, generator: TransportGenerator, entry: tuple[int, int]
) -> Start:
    """Return the start at the mean of ``values``, as wide as they are, far ones left out.

    What is far is measured from the shortest interval with half of the sample (Andrews et al.,
    "Robust Estimates of Location", 1972), which ignores matches in another pose that looks
    nearly the same.
    """
    ordered = np.sort(values)
    half = (len(ordered) + 1) // 2
    lengths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(np.argmin(lengths))
    centre = np.median(ordered[first : first + half])
    near = values[np.abs(values - centre) <= FAR * lengths[first] / (2 * HALF_OF_A_GAUSSIAN)]
    spread = max(float(generator.spread[entry]), 1e-9)
    scale = float(np.clip(near.std() / spread, 0.01, 20))
    return Start(_short_way(float(near.mean()), generator, entry), scale, matches=len(near))


def bent_start(
    values: np.ndarray,
    standardised: np.ndarray,
    generator: TransportGenerator,
    entry: tuple[int, int],
) -> Start:
    """Return the start whose curve maps the prior's quantiles to those of ``values``.

    Args:
        values: [m] of the entry, unwrapped.
        standardised: [n] of the prior's sample, in spreads from its mean.
    """
    scale = straight_start(values, generator, entry).scale
    narrow = min(1.0, scale)  # a narrow start takes small steps
    spread = max(float(generator.spread[entry]), 1e-9)
    shares = (np.arange(len(values)) + 0.5) / len(values)
    places = np.quantile(standardised, shares)
    inside = np.abs(places) < 0.98 * CURVE_END
    heights = (np.sort(values) - np.median(values))[inside] / spread
    # Beyond the sample the curve goes on as the straight start would.
    ends = np.array([-CURVE_END, CURVE_END])
    places = np.concatenate([ends[:1], places[inside], ends[1:]])
    first, last = heights[0], heights[-1]
    below, above = first - scale * (places[1] + CURVE_END), last + scale * (CURVE_END - places[-2])
    heights = np.concatenate([[below], heights, [above]])
    chosen = _knots(places, heights, SEGMENTS + 1)
    places, heights = places[chosen], heights[chosen]
    # The generator's curve passes through 0, wherever this one does.
    centre = np.median(values) + spread * np.interp(0.0, places, heights)
    shift = _short_way(float(centre), generator, entry)
    return Start(shift, narrow, (places, heights / narrow), len(values))


def _knots(places: np.ndarray, heights: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the points that a piecewise linear curve needs most, sorted.

    One after another, the point that lies furthest from the curve so far is added (Ramer
    1972; Douglas and Peucker 1973).
    """
    chosen = [0, len(places) - 1]
    while len(chosen) < count:
        off = np.abs(heights - np.interp(places, places[chosen], heights[chosen]))
        off[chosen] = -1
        chosen = sorted([*chosen, int(np.argmax(off))])
    return np.array(chosen)


def _short_way(value: float, generator: TransportGenerator, entry: tuple[int, int]) -> float:
    return float(wrapped(value - float(generator.mean[entry]), float(generator.turn[entry])))


def starts_on_trial(found: dict[str, float]) -> list[str]:
    """Return the names of the starts that train before one is chosen, none where one is far ahead.

    Args:
        found: discrepancy of each start.
    """
    least = min(found.values())
    rivals = [n for n in sorted(found, key=found.__getitem__) if found[n] <= RIVAL * least]
    return list(dict.fromkeys(["fitted", *rivals]))[:TRIALS] if len(rivals) > 1 else []


def best_start(found: dict[str, float], chance: float) -> str:
    """Return the name of the start to go on from.

    One mode is a simpler explanation than several, so it only must not be worse.

    Args:
        found: discrepancy of each start.
        chance: how much a discrepancy varies by chance.
    """
    best, fitted = min(found, key=found.__getitem__), found["fitted"]
    if found[best] >= LEAST_GAIN * fitted or found[best] >= fitted - chance:
        best = "fitted"
    simple = [name for name in found if name.endswith(MAIN_MODE)]
    mode = min(simple, key=found.__getitem__, default=best)
    return mode if found[mode] <= found[best] + chance else best
