"""Files made from the typed configuration: JSON schemas for editors and the reference page.

``python -m simtailor.documentation`` writes them; a test fails where they are out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simtailor.config import Configuration
from simtailor.files import staged
from simtailor.metasim.settings import Experiment
from simtailor.render.description import StageSettings
from simtailor.render.embedded.stage_camera import StageIntrinsics
from simtailor.render.embedded.stage_file import Stage, StageObject
from simtailor.render.registry import BUILT_IN, DEFAULT

HEADER = """# Configuration

Made by `python -m simtailor.documentation` from `lib/simtailor/config.py` and the
`settings.py` of each stage; do not edit.

Values come, each over the one before, from the defaults here, `metasim.defaults` in
`config/config.yaml`, the experiment's own file in `config/experiments/`, and
`metasim.experiments.NAME` in any file given with `--configfile`. A wrong key or value stops
the run before any job, with the file, the line, the key and the nearest valid name.
"""


def generated_files() -> dict[str, str]:
    """Return the text of each generated file by its path from the project's root."""
    return {
        "config/schema.json": _schema(Configuration),
        "config/experiment.schema.json": json.dumps(_experiment_schema(), indent=2) + "\n",
        "config/stage.schema.json": _schema(Stage),
        "docs/configuration.md": _reference(),
    }


def _schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=2) + "\n"


def _experiment_schema() -> dict[str, Any]:
    """Return the schema of an experiment, whose ``stage`` depends on its ``renderer``."""
    schema = Experiment.model_json_schema()
    schema["$defs"].pop(StageSettings.__name__)
    schema["properties"]["stage"] = {"type": "object", "default": {}, "title": "Stage"}
    schema["allOf"] = []
    for name, description in BUILT_IN.items():
        settings = description.settings.model_json_schema(ref_template="#/$defs/{model}")
        schema["$defs"] |= settings.pop("$defs", {})
        named = {"properties": {"renderer": {"const": name}}}
        if name != DEFAULT:
            named["required"] = ["renderer"]
        schema["allOf"].append({"if": named, "then": {"properties": {"stage": settings}}})
    return schema


def _reference() -> str:
    parts = [HEADER]
    for title, model in (
        ("The project (`config/config.yaml`)", Configuration),
        ("An experiment (`config/experiments/NAME.yaml`)", Experiment),
    ):
        parts.append(f"## {title}\n")
        parts.append("| key | default | meaning |\n|---|---|---|")
        parts.extend(_rows(model, ""))
        parts.append("")
    for name, description in BUILT_IN.items():
        parts.append(f"### `stage` of the renderer `{name}`\n")
        parts.append("| key | default | meaning |\n|---|---|---|")
        parts.extend(_rows(description.settings, "stage."))
        parts.append("")
    for title, model, prefix in (
        ("A stage file (`stage.file` of the renderer `tabletop`)", Stage, ""),
        ("An object of a stage file", StageObject, "objects.NAME."),
        ("A calibrated camera of a stage file", StageIntrinsics, "camera.intrinsics."),
    ):
        parts.append(f"### {title}\n")
        parts.append("| key | default | meaning |\n|---|---|---|")
        parts.extend(_rows(model, prefix))
        parts.append("")
    return "\n".join(parts)


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            rows += _rows(section, f"{prefix}{name}.")
        else:
            rows.append(f"| `{prefix}{name}` | {_default(field)} | {field.description or ''} |")
    return rows


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "those of 3D-TYOL"
    value: Any = field.default
    return "–" if value is None else f"`{json.dumps(value)}`"


def main() -> None:
    """Write all generated files into the current folder."""
    for path, text in generated_files().items():
        with staged(Path(path)) as staging:
            staging.write_text(text)


if __name__ == "__main__":
    main()
