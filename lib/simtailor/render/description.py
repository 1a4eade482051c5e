"""The contract of a renderer: what it reads, returns and needs, said without importing it.

A description is found by its name or place (see ``registry``) while the workflow is planned, and
everything else asks it: the rules what has to be made first, the grammar which attributes are
angles, the search and the statistics which entries are drawn. So the file that holds it must be
light: the renderer itself is named by ``factory`` and imported when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from simtailor.scene.attributes import Attribute, NodeAttributes
from simtailor.scene.graph import SceneGraphLayout
from simtailor.section import NAME_PATTERN, NAME_RULE, Section

# Beside the images; see ``Rendering``.
RETURNS = ("masks", "depth", "keypoints", "full_masks", "silhouettes", "poses", "cameras")


class StageSettings(Section):
    """What ``stage:`` says to every renderer. A renderer's own keys are fields of a subclass.

    Attributes:
        incidental: names of keys that no image depends on, such as a time to wait.
    """

    incidental: ClassVar[frozenset[str]] = frozenset()

    image_size: Annotated[int, Field(ge=8, le=4096, strict=True)] = Field(
        128,
        description="Pixels that the images are wide, and high unless a stage file says otherwise.",
    )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, pixels."""
        return self.image_size, self.image_size


def silent(line: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class RenderMachine:
    """Where a renderer runs.

    Attributes:
        device: ``cpu`` or a CUDA device.
        threads: cores to render on, None for all.
        cache: folder of fetched packages and of what may be kept from run to run, or None.
        report: is told what the user should know.
        log: of the job, or None.
    """

    device: str = "cpu"
    threads: int | None = None
    cache: str | Path | None = None
    report: Callable[[str], None] = silent
    log: Path | None = None


@dataclass(frozen=True)
class NodeKind:
    """What a renderer reads of the nodes of one name.

    Attributes:
        attributes: by name.
        classes: that such a node may have; a number stands for a name's place. Empty: any.
        fewest, most: how many such nodes a grammar may have.
    """

    attributes: Mapping[str, Attribute]
    classes: tuple[str, ...] = ()
    fewest: int = 0
    most: int = 1


@dataclass(frozen=True)
class Needs:
    """What must be there before a renderer can start.

    Attributes:
        kernels: whether it draws with the ray caster's compiled kernels.
        packages: names of fetched packages, which then lie in the cache under ``packages``.
        modules: Python modules, and how each is installed: ``{"mitsuba": "pip install mitsuba"}``.
        programs: executables, by name or path.
    """

    kernels: bool = False
    packages: tuple[str, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RendererDescription:
    """One renderer.

    Attributes:
        name: letters, digits, ``_`` and ``-``.
        factory: what makes the renderer of typed settings and a ``RenderMachine``: a class or
            function, or, so that it is imported only when it is needed, ``"module:name"``.
        nodes: what it reads, by the name of the node: a node's class, or ``object`` where
            that is random or a number.
        settings: what ``stage:`` may say.
        returns: which of ``RETURNS`` it gives on demand.
        grey: whether all images are grey, which makes the training faster.
        differentiable: whether it has ``render_differentiable``, see ``renderer``.
        resizable: whether smaller images show the same scenes, so that the training may take
            them; False where things are placed in pixels.
        reproducible: whether the same scene with the same seed gives the same bytes.
        largest_batch: scenes that one call can take, None for any number.
        slow: whether a drawn scene is worth keeping on disk.
        tries: how often a scene is asked for before its failure ends the run.
        needs: what must be there before it starts.
        identity: what images depend on beside settings and files, such as a version.
        files: what images depend on, from the folder of the description's file; a change of one
            makes the images anew.
        adapted: returns the description for given settings, where they change it.
        scattered: the class of what a renderer scatters by itself, whose numbers in the masks are
            no nodes of the grammar; empty where all objects are nodes.
    """

    name: str
    factory: str | Callable[[Any, RenderMachine], Any]
    nodes: Mapping[str, NodeKind]
    settings: type[StageSettings] = StageSettings
    returns: tuple[str, ...] = ()
    grey: bool = False
    differentiable: bool = False
    resizable: bool = True
    reproducible: bool = True
    largest_batch: int | None = None
    slow: bool = False
    tries: int = 1
    needs: Needs = field(default_factory=Needs)
    identity: str = ""
    files: tuple[str, ...] = ()
    adapted: Callable[[Any], RendererDescription] | None = None
    scattered: str = ""

    def __post_init__(self) -> None:
        if not re.match(NAME_PATTERN, self.name):
            raise ValueError(f"name: {NAME_RULE}, got {self.name!r}")
        if not (isinstance(self.settings, type) and issubclass(self.settings, StageSettings)):
            raise ValueError("settings: expected a subclass of StageSettings")
        if isinstance(self.factory, str) and not re.match(r"^[\w.]+:[\w.]+$", self.factory):
            raise ValueError(f"factory: expected 'module:name', got {self.factory!r}")
        if unknown := set(self.returns) - set(RETURNS):
            raise ValueError(f"returns: {sorted(unknown)} are none of {', '.join(RETURNS)}")
        for name, least in (("largest_batch", self.largest_batch), ("tries", self.tries)):
            if least is not None and least < 1:
                raise ValueError(f"{name}: expected at least 1, got {least}")
        for name, kind in self.nodes.items():
            if not isinstance(kind, NodeKind):
                raise ValueError(f"nodes: {name!r} is no NodeKind but {type(kind).__name__}")
            for attribute, known in kind.attributes.items():
                if not isinstance(known, Attribute):
                    raise ValueError(f"nodes: {name}.{attribute} is no Attribute but {known!r}")

    @property
    def attributes(self) -> NodeAttributes:
        """What is known of the attributes, for the grammars of its scenes."""
        return {name: kind.attributes for name, kind in self.nodes.items()}

    def of(self, settings: StageSettings) -> RendererDescription:
        """Return the description for given settings."""
        if self.adapted is None:
            return self
        adapted = self.adapted(settings)
        identity = "\n".join(filter(None, (self.identity, adapted.identity)))
        return replace(adapted, identity=identity)

    def changes_looks(self, layout: SceneGraphLayout) -> bool:
        """Return whether a generator changes colours or light of the graphs."""
        return any(
            layout.features[feature] in (read := self.attributes.get(layout.node_names[node], {}))
            and read[layout.features[feature]].look
            for node, feature in layout.entries()
        )

    def effective(self, layout: SceneGraphLayout) -> np.ndarray:
        """Return which entries of the graphs the renderer looks at: bool [N, F]."""
        read = [
            [feature in self.attributes.get(node, ()) for feature in layout.features]
            for node in layout.node_names
        ]
        return np.array(read, dtype=bool).reshape(layout.maximum.shape) & (layout.maximum > 0)
