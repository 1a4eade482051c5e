"""Which files are images that can be read, and which are pictures of other formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from simtailor.intake.raw import check_tiff

# Of what Pillow opens: photographs and drawings as pixels. Others need another program (EPS, WMF),
# are only recognised (MPEG, HDF5), or hold icons, textures and documents of layers.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "QOI",
           "PCX", "SGI", "SUN")  # fmt: skip
NO_SIGNATURE = "TGA"  # would take any bytes for an image, so it needs its suffix
OPTIONAL = {"JPEG": "jpg", "PNG": "zlib", "WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
MORE_SUFFIXES = {".mpo": "JPEG", ".bmp": "BMP"}

PICTURES = frozenset((
    ".heic", ".heif", ".hif", ".avci", ".jxl", ".jxr", ".wdp", ".hdp", ".bpg", ".flif", ".exr",
    ".hdr", ".psd", ".psb", ".xcf", ".kra", ".svg", ".svgz", ".eps", ".ai", ".pdf", ".wmf",
    ".emf", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".orf",
    ".rw2", ".rwl", ".raf", ".pef", ".srw", ".x3f", ".raw", ".3fr", ".erf", ".kdc", ".mef",
    ".mos", ".iiq", ".gpr", ".dcm", ".dicom", ".ico", ".icns", ".cur", ".dds", ".fits", ".fit",
    ".fts", ".xbm", ".xpm", ".msp", ".pcd", ".im", ".djvu", ".insp",
))  # fmt: skip
VIDEOS = frozenset((
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".wmv", ".mpg", ".mpeg", ".3gp", ".3g2",
    ".mts", ".m2ts", ".flv", ".ogv", ".insv",
))  # fmt: skip

TIFF = "a TIFF of a kind that is not read, or damaged; convert it to 8 or 16 bits, grey or RGB"
# How a file begins that is something else than its name says.
BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS; run `git lfs pull`"),
    (b"<!doctype", "a web page, as a failed download leaves it"),
    (b"<html", "a web page, as a failed download leaves it"),
    (b"<?xml", "XML or SVG"),
    (b"<svg", "SVG"),
    (b"%pdf", "PDF"),
    (b"%!ps", "PostScript"),
    (b"8bps", "PSD"),
    (b"pk\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    *((start, TIFF) for start in (b"ii*\0", b"mm\0*", b"ii+\0", b"mm\0+")),
)
BRANDS = {"heic": "HEIC", "heix": "HEIC", "mif1": "HEIF", "hevc": "HEIC", "avif": "AVIF",
          "qt  ": "a video", "isom": "a video", "mp42": "a video", "crx ": "CR3"}  # fmt: skip


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that are read with this build of Pillow."""
    Image.init()
    return tuple(
        name
        for name in (*FORMATS, NO_SIGNATURE)
        if name in Image.OPEN and (name not in OPTIONAL or features.check(OPTIONAL[name]))
    )


@cache
def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of images that are read, in lower case."""
    formats = readable_formats()
    known = Image.registered_extensions() | MORE_SUFFIXES
    return frozenset(suffix for suffix, name in known.items() if name in formats)


@cache
def unreadable_suffixes() -> frozenset[str]:
    """Return the suffixes of pictures and videos that are not read, in lower case."""
    known = {s for s, name in Image.registered_extensions().items() if name in FORMATS}
    optional = {".avif", ".webp", ".jp2", ".j2k"}  # not registered where Pillow lacks them
    return (PICTURES | VIDEOS | known | optional) - readable_suffixes()


@contextmanager
def any_size() -> Iterator[None]:
    """Lift Pillow's limit of pixels, which is for strangers' files, and set it back."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def open_image(path: Path) -> Image.Image:
    """Open an image file by its content; its pixels are not yet read.

    Raises:
        ValueError: it is empty or of no format that is read; says what it is, if that shows.
        OSError: it cannot be opened.
    """
    formats = readable_formats()
    known = [name for name in formats if name != NO_SIGNATURE]
    image = None
    if Image.registered_extensions().get(path.suffix.lower()) == NO_SIGNATURE:
        with suppress(UnidentifiedImageError):
            image = Image.open(path, formats=[NO_SIGNATURE])
    try:
        image = image or Image.open(path, formats=known)
    except UnidentifiedImageError:
        raise ValueError(_problem(path)) from None
    check_tiff(image)
    # Pillow maps the files that it knows by name into memory, and then scrambles a grey TIFF that
    # its orientation turns by a quarter. Of no name, it reads them.
    image.filename = ""
    return image


def looks_like_image(path: Path) -> bool:
    """Return whether a file of an unknown suffix begins like an image that is read."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(16)
        accept = [Image.OPEN[name][1] for name in readable_formats() if name != NO_SIGNATURE]
        if not any(test is None or test(beginning) for test in accept):
            return False  # nearly all files that are no images, quickly
        open_image(path).close()
    except Exception:  # decoders of damaged files raise errors of many kinds
        return False
    return True


def advice(suffixes: set[str]) -> str:
    """Return what to do with files of suffixes that are not read."""
    if suffixes <= VIDEOS:
        return "save frames of them as JPEG or PNG"
    return "convert them to JPEG or PNG"


def _problem(path: Path) -> str:
    with open(path, "rb") as file:
        beginning = file.read(64)
    if not beginning:
        return "the file is empty"
    if beginning[4:8] == b"ftyp":
        brand = beginning[8:12].decode("latin-1")
        return f"it is {BRANDS.get(brand, 'a video or picture of type ' + repr(brand))} inside"
    for start, name in BEGINNINGS:
        if beginning.lstrip().lower().startswith(start):
            return f"it is {name}"
    return "no image, or its first bytes are damaged"
