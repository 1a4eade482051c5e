"""How does Meta-Sim's fit compare with neural posterior estimation? Random truths, equal renders.

    ./run python benchmarks/random_truths.py 3 5 --truths 4        # first: targets and our fits
    ./run python benchmarks/neural_posterior.py

Needs the package sbi (made with 0.27), which is no dependency: in a copy of the environment
`pip install sbi`, or `pip install --no-deps --target FOLDER sbi zuko pyknos nflows skorch
tensorboard protobuf absl-py` with FOLDER on PYTHONPATH. What was learnt is kept in
work/neural_posterior; the same command goes on there. It was run for `--truths 3_01 3_03 --second`:
60 epochs of 26,000 scenes take 390 seconds of processor time. A second round and five attributes
were never run to their end.

A network learns the posterior of the attributes given one picture from scenes of a wide uniform
prior: as many as our fit of the truth rendered, or fewer, by the same renderer and settings, and
averaged to the finest size that our features keep. It sees the target images that our fit saw.
Their posteriors become one distribution of the target in two ways: all samples as they are (the
naive mixture), and weighted so that they are a sample of the population (population.py). With two
rounds half of the scenes come from the wide prior, and half from a box of five spreads around what
the first found, as in truncated sequential estimation (Deistler, Goncalves and Macke, 2022).

The wide prior reaches three spreads beyond the ranges from which truths are drawn, which our fit is
not told: it begins at the experiment's grammar. One network serves all truths of a setup, as one
does with such networks, so its scenes are counted for each.
"""

import argparse
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fitted_truth import FittedTruth, wide_prior
from image_posterior import MOST_EPOCHS, Box, Simulated, posterior_samples, simulate
from neural_posterior_page import page_of
from population import population_weights, standard_errors, weighted_draw
from random_truths import MEASURES

from simtailor.files import staged
from simtailor.scene.attributes import mean_and_spread, wasserstein_distance, wrapped
from simtailor.seeds import generator

PAGE = Path(__file__).with_suffix(".md")
FIRST_EPOCHS = 20  # of a first round of two, which only says where to look
AROUND = 5.0  # spreads of what the first round found, to either side
SAMPLES, DRAWN, SEED = 100, 20_000, 1
TRUTHS = [f"{setup}_{number:02d}" for setup in (3, 5) for number in range(4)]
SECOND = ["3_01", "3_03", "5_03"]
REACH = 1.96  # standard errors of a 95 % interval


@dataclass(frozen=True)
class Population:
    """What was found.

    Attributes:
        samples: [n, E]; sure: standard errors as of ``standard_errors``, [E, 2], or None.
    """

    samples: np.ndarray
    sure: np.ndarray | None = None


class Comparison:
    """The networks of one setup, and what they make of the targets of its truths.

    Args:
        truths: of one setup, all of which its first network serves.
        cache: folder of what was rendered and learnt.

    Attributes:
        found: populations by the truth's name and the way.
        spent: a row for each truth and way.
    """

    def __init__(self, truths: list[FittedTruth], cache: Path) -> None:
        self.truths, self.cache, self.setup = truths, cache, truths[0].setup
        self.count = min(truth.renders for truth in truths)
        self.box = wide_prior(truths[0].experiment)
        self.found: dict[str, dict[str, Population]] = {truth.name: {} for truth in truths}
        self.spent = [spending(truth, "ours", truth.renders, truth.seconds) for truth in truths]
        self.scenes = self._simulated(truths[0], self.box, self.count, f"sim {self.setup}", "wide")

    def one_round(self) -> None:
        """Learn from all scenes of the wide prior."""
        pictures = [truth.pictures() for truth in self.truths]
        name = f"{self.setup}_{self.count}_one"
        values, log_prior, seconds = self._learnt(name, self.scenes, self.box, pictures)
        for truth, v, p in zip(self.truths, values, log_prior, strict=True):
            kept = self.found[truth.name]
            kept["naive"] = population_of(v, p, self.box.periods, naive=True)
            kept["one"] = population_of(v, p, self.box.periods)
            self.spent.append(spending(truth, "one", self.count, self.scenes.seconds + seconds))

    def two_rounds(self, truths: list[FittedTruth]) -> None:
        """Learn from half of the scenes of the wide prior, then from as many near what they say."""
        half = self.count // 2
        wide, pictures = self.scenes[:half], [truth.pictures() for truth in truths]
        name = f"{self.setup}_{half}_first"
        values, log_prior, seconds = self._learnt(name, wide, self.box, pictures, FIRST_EPOCHS)
        seconds += self.scenes.seconds * half / self.count
        for truth, own, v, p in zip(truths, pictures, values, log_prior, strict=True):
            begun = population_of(v, p, self.box.periods).samples
            middles, spreads = np.array(
                [mean_and_spread(begun[:, e], float(t)) for e, t in enumerate(self.box.periods)]
            ).T
            box = self.box.truncated(middles, AROUND * spreads)
            near = self._simulated(
                truth, box, self.count - half, f"near {truth.name}", f"{truth.name}_near"
            )
            both = near.joined(wide[box.within(wide.values)])
            last = self._learnt(f"{truth.name}_{half}_second", both, box, [own])
            self.found[truth.name]["two"] = population_of(last[0][0], last[1][0], box.periods)
            took = seconds + near.seconds + last[2]
            self.spent.append(spending(truth, "two", self.count, took))

    def _simulated(
        self, truth: FittedTruth, box: Box, count: int, purpose: str, name: str
    ) -> Simulated:
        file = self.cache / f"{self.setup}_{count}_{name}.npz"
        return simulate(truth.experiment, box, count, generator(SEED, purpose), file)

    def _learnt(
        self,
        name: str,
        scenes: Simulated,
        box: Box,
        pictures: list[np.ndarray],
        epochs: int = MOST_EPOCHS,
    ) -> tuple[list[np.ndarray], list[np.ndarray], float]:
        """Return what ``posterior_samples`` does, for each set of pictures, and CPU seconds."""
        file = self.cache / f"{name}_{len(pictures)}.npz"
        if not file.exists():
            together = np.concatenate(pictures)
            print(f"{name}: {len(scenes.values):,} scenes")
            values, log_prior, notes = posterior_samples(
                scenes, box, together, SAMPLES, SEED, epochs
            )
            with staged(file) as staging, open(staging, "wb") as opened:
                np.savez(opened, values=values, log_prior=log_prior, notes=json.dumps(notes))
        with np.load(file) as stored:
            notes = json.loads(str(stored["notes"]))
            print(f"{name}: {notes}")
            ends = np.cumsum([len(part) for part in pictures])[:-1]
            parts = [np.split(stored[key], ends) for key in ("values", "log_prior")]
        return *parts, notes["training"] + notes["sampling"]


def population_of(
    values: np.ndarray, log_prior: np.ndarray, periods: np.ndarray, naive: bool = False
) -> Population:
    """Return the population of samples of posteriors, or their naive mixture."""
    weights = np.where(np.isfinite(log_prior), 1.0, 0.0)
    sure = None
    if not naive:
        weights = population_weights(values, log_prior, periods)
        sure = standard_errors(values, weights, periods)
    return Population(weighted_draw(values, weights, DRAWN, np.random.default_rng(SEED)), sure)


def spending(truth: FittedTruth, way: str, renders: int, seconds: float) -> dict:
    """Return a row of what a way took."""
    return {"truth": truth.name, "way": way, "renders": renders, "CPU s": seconds}


def errors(truth: FittedTruth, found: dict[str, Population]) -> list[dict]:
    """Return a row for each attribute and way, as random_truths measures them."""
    hidden, rows = truth.hidden(), []
    layout = truth.experiment.read_grammar(truth.experiment.grammar).layout
    found = found | {"known": Population(hidden[truth.fitted])}
    for e, entry in enumerate(layout.entries()):
        name, period = layout.features[entry[1]], float(layout.period[entry])
        row = truth.rows[truth.rows.attribute == name].iloc[0]
        common = {"truth": truth.name, "half": row.half, "attribute": name, "shape": row["shape"]}
        rows.append(common | {"way": "ours"} | dict(row[[*MEASURES, "mean_held", "spread_held"]]))
        for way, population in found.items():
            values = population.samples[:, e]
            mean, spread = mean_and_spread(values, period)
            off = float(wrapped(mean - row["mean"], period))
            rows.append(common | {
                "way": way,
                "error": off / row.spread,
                "log_ratio": float(np.log(spread / row.spread)),
                "wasserstein": wasserstein_distance(values, hidden[:, e], period) / row.spread,
            })  # fmt: skip
            if population.sure is not None:
                reach = REACH * population.sure[e]
                rows[-1]["mean_held"] = abs(off) <= reach[0] * spread
                rows[-1]["spread_held"] = abs(rows[-1]["log_ratio"]) <= reach[1]
    return rows


def main() -> None:
    """Learn, compare, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--truths", nargs="+", default=TRUTHS)
    parser.add_argument("--second", nargs="*", default=SECOND, help="have a second round, too")
    parser.add_argument("--work", type=Path, default=Path("work/random_truths"))
    parser.add_argument("--cache", type=Path, default=Path("work/neural_posterior"))
    given = parser.parse_args()
    if importlib.util.find_spec("sbi") is None:
        sys.exit("This comparison needs the package sbi: pip install sbi, in a copy of the "
                 "environment. The head of this file says how to put it beside.")  # fmt: skip
    torch.set_num_threads(1)
    truths = [FittedTruth.read(name, given.work) for name in given.truths]
    rows, spent = [], []
    for setup in dict.fromkeys(truth.setup for truth in truths):
        some = [truth for truth in truths if truth.setup == setup]
        comparison = Comparison(some, given.cache)
        comparison.one_round()
        if twice := [truth for truth in some if truth.name in given.second]:
            comparison.two_rounds(twice)
        spent += comparison.spent
        for truth in some:
            rows += errors(truth, comparison.found[truth.name])
    about = [" ".join(part.split()) for part in __doc__.split("\n\n")[3:]]
    page = page_of(pd.DataFrame(rows), pd.DataFrame(spent), about)
    PAGE.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
