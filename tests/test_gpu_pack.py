"""Packing for a GPU machine without an index: one architecture's code, pieces that are whole."""

import hashlib
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from gpu_checks.slimming import MAGIC, slimmed  # noqa: E402


def entry(architecture, code, kind=2):
    head = (
        struct.pack("<HHIQ", kind, 0, 64, len(code)) + bytes(12) + struct.pack("<I", architecture)
    )
    return head.ljust(64, b"\0") + code


def fat_binary(*entries):
    body = b"".join(entries)
    return MAGIC + struct.pack("<HHQ", 1, 16, len(body)) + body


def test_one_architectures_code_stays_where_it_was():
    wanted = [entry(90, b"n" * 48), entry(90, b"m" * 16)]
    first = fat_binary(entry(75, b"o" * 32), wanted[0], entry(90, b"ptx.", kind=1))
    second = fat_binary(wanted[1], entry(120, b"p" * 80))
    library = b"code" * 8 + first + b"gap." + second + b"rest"
    result = slimmed(library, 32, len(library) - 4, 90)
    assert len(result) == len(library)
    for place, kept, whole in ((32, wanted[0], first), (36 + len(first), wanted[1], second)):
        assert struct.unpack_from("<Q", result, place + 8) == (len(kept),)
        assert result[place + 16 : place + len(whole)] == kept.ljust(len(whole) - 16, b"\0")
    assert result[:32] + result[-4:] == library[:32] + library[-4:]
    with pytest.raises(ValueError, match="without sm_100"):
        slimmed(library, 32, len(library) - 4, 100)


def test_pieces_are_joined_and_a_missing_one_is_noticed(tmp_path):
    package = tmp_path / "package.py"
    package.write_text("NUMBER = 7\n")
    archive = tmp_path / "core.tar.xz"
    with tarfile.open(archive, "w:xz") as file:
        file.add(package, "package.py")
    data = archive.read_bytes()
    for number, piece in enumerate((data[:50], data[50:])):
        part = tmp_path / f".whl/part{number + 1}"
        part.mkdir(parents=True)
        (part / f"core.piece.0{number}").write_bytes(piece)
        (part / "core.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  -\n")
    command = f"SITE={tmp_path}/site; . {ROOT}/benchmarks/gpu_unpack.sh core && "
    command += "python3 -c 'import package; print(package.NUMBER)'"

    def unpacked():
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert unpacked().stdout == "7\n"
    (tmp_path / ".whl/part2/core.piece.01").unlink()
    broken = unpacked()
    assert broken.returncode == 1
    assert "core: a piece is missing or damaged" in broken.stderr
