"""Makes renderers by their name, each in the wrapper that checks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from simtailor.render.checked import CheckedDifferentiableRenderer, CheckedRenderer
from simtailor.render.description import RenderMachine, StageSettings, silent
from simtailor.render.drawable import check_startable
from simtailor.render.registry import find_renderer, load_factory
from simtailor.render.scene_cache import SceneCache
from simtailor.reporting import Reporter


def create_renderer(
    renderer: str,
    *,
    device: str = "cpu",
    threads: int | None = None,
    cache: str | Path | None = None,
    report: Callable[[str], None] = silent,
    **stage: Any,
) -> CheckedRenderer:
    """Create a renderer.

    Args:
        renderer: name, file or place of its description.
        device, threads, cache: see ``RenderMachine``.
        report: see ``CheckedRenderer``.
        stage: what ``stage:`` would say, such as ``image_size``.

    Raises:
        UserError: there is no such renderer, or it cannot start here.
        pydantic.ValidationError: the renderer knows no such setting.
    """
    settings = find_renderer(renderer).settings.model_validate(stage)
    machine = RenderMachine(device, threads, cache)
    return renderer_for(renderer, settings, machine, report)


def renderer_for(
    renderer: str,
    settings: StageSettings,
    machine: RenderMachine,
    report: Callable[[str], None] = silent,
) -> CheckedRenderer:
    """Create a renderer for typed settings."""
    description = find_renderer(renderer).of(settings)
    check_startable(description)
    log = report.log if isinstance(report, Reporter) else None
    machine = replace(machine, report=report, log=log)
    inner = load_factory(description)(settings, machine)
    kind = CheckedDifferentiableRenderer if description.differentiable else CheckedRenderer
    renderer = kind(inner, description, settings, report)
    if description.slow and description.reproducible and machine.cache is not None:
        shown = settings.model_dump(mode="json", exclude=set(settings.incidental))
        common = [renderer.identity, shown, machine.device]
        folder = Path(machine.cache) / "scenes"
        renderer.cache = SceneCache(folder, json.dumps(common), report)
    return renderer
