"""The page of benchmarks/neural_posterior.py: tables of errors by way."""

import datetime
import sys
from collections.abc import Iterator

import pandas as pd
from machine import describe_machine
from random_truths import errors_of

WAYS = {
    "ours": "our fit",
    "naive": "sbi, naive mixture",
    "one": "sbi, one round",
    "two": "sbi, two rounds",
    "known": "hidden attributes of the same images",
}


def page_of(table: pd.DataFrame, spent: pd.DataFrame, about: list[str]) -> str:
    """Return the Markdown page.

    Args:
        table: a row for each truth, attribute and way; spent: for each truth and way.
        about: paragraphs on what was done.
    """
    command = " ".join(["./run python benchmarks/neural_posterior.py", *sys.argv[1:]])
    text = [
        "# Beside neural posterior estimation",
        f"{datetime.date.today().isoformat()}, {describe_machine('sbi')}, by `{command}`.",
        *about,
        "Errors are those of [random truths](random_truths.md): middle, nine in ten, and worst of "
        "the attributes. The last way is what could be known at best. Coverage: of how many 95 % "
        "intervals hold the truth; those of sbi are of the choice of images, and take the "
        "posteriors for right.",
    ]
    for title, some in _groups(table):
        text += [f"## {title}", _overview(some).to_markdown(index=False)]
    spent = spent.assign(way=spent.way.map(WAYS))
    wide = spent.pivot(index="truth", columns="way", values=["renders", "CPU s"])
    wide.columns = [f"{way}: {what}" for what, way in wide.columns]
    cells = wide.map(lambda value: "" if pd.isna(value) else f"{value:,.0f}").reset_index()
    text += ["## What it took", cells.to_markdown(index=False)]
    text += ["## Every attribute", "Error of the mean, and logarithm of the ratio of the spreads."]
    text += [_by_attribute(table).to_markdown(index=False)]
    return "\n\n".join(text) + "\n"


def _groups(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield titles and parts of the table, each with the same attributes for every way."""
    twice = table[table.way == "two"].truth.unique()
    if len(twice):
        yield f"Truths with a second round: {', '.join(twice)}", table[table.truth.isin(twice)]
    once = table[table.way != "two"]
    setups = once.truth.str.split("_").str[0]
    for (half, setup), some in once.groupby(["half", setups]):
        yield f"{str(half).capitalize()} half, {setup} attributes", some


def _overview(some: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each way."""
    rows = []
    for way, words in WAYS.items():
        part = some[some.way == way]
        if len(part):
            cells = errors_of(part)
            rows.append({"way": words, **{k: v for k, v in cells.items() if "missing" not in k}})
    return pd.DataFrame(rows)


def _by_attribute(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (truth, name, shape), some in table.groupby(["truth", "attribute", "shape"], sort=False):
        row = {"truth": truth, "attribute": name, "shape": shape}
        for way, words in WAYS.items():
            part = some[some.way == way]
            if len(part):
                row[words] = f"{part.error.iloc[0]:+.3f}, {part.log_ratio.iloc[0]:+.3f}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
