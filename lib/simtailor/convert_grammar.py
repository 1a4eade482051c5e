"""Convert a scene grammar between the published JSON format and the short form of YAML.

    python -m simtailor.convert_grammar config/grammars/tyol_8attr.json > short.yaml
    python -m simtailor.convert_grammar short.yaml > published.json

What is printed reads as the same grammar.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simtailor.errors import UserError
from simtailor.render.registry import DEFAULT, find_renderer
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded, shortened
from simtailor.text_files import parse_json, read_text
from simtailor.yaml_files import read_yaml


def converted(path: Path, renderer: str) -> str:
    """Return a grammar file in the other form; what is wrong with it is an error as ever."""
    attributes = find_renderer(renderer).attributes
    Grammar.read(path, attributes)
    if path.suffix.lower() == ".json":
        return shortened(parse_json(read_text(path), path))
    return json.dumps(expanded(read_yaml(path), attributes, str(path)), indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Convert the file that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simtailor.convert_grammar")
    parser.add_argument("file", type=Path, help="a grammar, .json or .yaml")
    parser.add_argument("--renderer", default=DEFAULT, help="name or file; knows which are angles")
    chosen = parser.parse_args(arguments)
    try:
        print(converted(chosen.file, chosen.renderer), end="")
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
