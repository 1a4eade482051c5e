"""Asset packs: what simulated sets show. One registry for built-in and fetched ones.

A new pack is one file in ``simtailor.assets.packs`` with one function, registered under a name:

    @register_pack("my_pack", packages=("my_package",))
    def my_pack(folders: Mapping[str, Path]) -> AssetPack:
        ...

``folders`` holds the folder of each fetched package by name. A pack may bring categories,
environments, materials, or several of them.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simtailor.assets.arrays import read_pack, write_pack
from simtailor.assets.content import AssetPack, Category, Model, Sky
from simtailor.discovery import import_modules_of
from simtailor.errors import UserError, nearest_name
from simtailor.files import files_state
from simtailor.packages import find_package

__all__ = [
    "AssetPack",
    "Category",
    "Model",
    "Sky",
    "fetched_packages",
    "find_pack",
    "folder_names",
    "load_pack",
    "pack_called",
    "pack_names",
    "packs_state",
    "register_pack",
]

PackMaker = Callable[[Mapping[str, Path]], AssetPack]


@dataclass(frozen=True)
class RegisteredPack:
    """A pack's function and what its content depends on.

    Attributes:
        packages: names of packages that must be fetched; files: others that it reads.
    """

    make: PackMaker
    packages: tuple[str, ...]
    files: tuple[Path, ...]


_PACKS: dict[str, RegisteredPack] = {}
FOLDER = "folder:"


def register_pack(
    name: str, *, packages: tuple[str, ...] = (), files: tuple[Path, ...] = ()
) -> Callable[[PackMaker], PackMaker]:
    """Register a pack's function under ``name``; ``packages`` as in ``simtailor.packages``."""

    def register(make: PackMaker) -> PackMaker:
        _PACKS[name] = RegisteredPack(make, packages, files)
        return make

    return register


def pack_names() -> list[str]:
    """Return the names of all packs, sorted."""
    import_modules_of("simtailor.assets.packs")
    return sorted(_PACKS)


def find_pack(name: str) -> RegisteredPack:
    """Return what is registered under a name, or the pack of a user's folder: ``folder:PATH``.

    Raises:
        UserError: there is no such pack, or no such folder.
    """
    if name.startswith(FOLDER):
        return folder_pack(Path(name.removeprefix(FOLDER)))
    known = pack_names()
    if name not in known:
        raise UserError(
            f"unknown asset pack '{name}'; known: {', '.join(known)}, and {FOLDER}PATH in "
            f"task2sim.simulation.packs for a folder of your own.{nearest_name(name, known)}"
        )
    return _PACKS[name]


def folder_pack(folder: Path) -> RegisteredPack:
    """Return a user's folder of models as a pack."""
    reader = importlib.import_module("simtailor.assets.user_folder")
    return RegisteredPack(lambda _: reader.read_folder(folder), (), tuple(reader.files_of(folder)))


def folder_names(packs: Sequence[str]) -> list[str]:
    """Return the names of the user's folders among packs, as targets have them."""
    return [Path(name.removeprefix(FOLDER)).name for name in packs if name.startswith(FOLDER)]


def pack_called(name: str, configured: Sequence[str]) -> str:
    """Return the pack that a target is named after.

    Args:
        configured: packs of the configuration; of a ``folder:PATH`` the target has the last name.

    Raises:
        UserError: there is no such pack, or several folders have that name.
    """
    folders = [p for p in configured if folder_names([p]) == [name]]
    if len(folders) > 1:
        raise UserError(
            f"task2sim.simulation.packs: {' and '.join(folders)} have the same last name; rename "
            "one, so that its pictures can be asked for"
        )
    if not folders:
        find_pack(name)
    return folders[0] if folders else name


def fetched_packages(names: Sequence[str]) -> list[str]:
    """Return the packages that must be fetched for packs, each once."""
    return list(dict.fromkeys(p for name in names for p in find_pack(name).packages))


def packs_state(names: Sequence[str]) -> str:
    """Return a digest of the files of the user's that packs read: changed ones make them anew.

    Raises:
        UserError: there is no such pack, or no such folder.
    """
    return files_state(path for name in names for path in find_pack(name).files)


def load_pack(name: str, *, resources: str | Path) -> AssetPack:
    """Return a pack, from its cache of arrays where that is up to date.

    Args:
        resources: folder of caches and fetched packages.

    Raises:
        UserError: there is no such pack, or its files are not as expected.
    """
    found = find_pack(name)
    folder = Path(resources) / "assets"
    path = folder / f"{_label(name)}-{_digest(found)}.safetensors"
    if path.exists():
        return read_pack(path)
    folders = {p: Path(resources) / "packages" / p for p in found.packages}
    for package, place in folders.items():
        if not place.is_dir():
            raise UserError(
                f"the asset pack '{name}' needs the package '{package}', which is not in {place}: "
                f"run 'snakemake {place}'"
            )
    pack = found.make(folders)
    write_pack(pack, path)
    for outdated in folder.glob(f"{_label(name)}-*.safetensors"):
        if outdated != path:
            outdated.unlink(missing_ok=True)
    return read_pack(path)


def _label(name: str) -> str:
    if not name.startswith(FOLDER):
        return name
    return "folder_" + hashlib.sha256(name.encode()).hexdigest()[:12]


def _digest(pack: RegisteredPack) -> str:
    """Return a digest of all that a pack depends on: code, packages and files."""
    digest = hashlib.sha256()
    code = sorted(Path(__file__).parent.rglob("*.py"))
    for path in code:
        digest.update(path.read_bytes())
    for package in pack.packages:
        digest.update(find_package(package).sha256.encode())
    digest.update(files_state(pack.files).encode())
    return digest.hexdigest()[:16]
