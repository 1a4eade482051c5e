"""Keep one GPU architecture's machine code in a shared library: python slimming.py FILE 90.

A fat binary in the section .nv_fatbin is a header (magic, 4 bytes; version, 2; size of the header,
2; size of what follows, 8) and entries (kind, 2 bytes, where 2 is machine code; at byte 4 the size
of the entry's header, 4 bytes; at 8 that of its code, 8 bytes; at 28 the architecture, 4 bytes).
What is taken out becomes zeros, which compress to nothing.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

MAGIC = b"\x50\xed\x55\xba"
CODE = 2


def slimmed(data: bytes, start: int, end: int, architecture: int) -> bytes:
    """Return a library whose fat binaries, between two places, hold one architecture's code.

    Raises:
        ValueError: a fat binary cannot be read, or has no such code.
    """
    result = bytearray(data)
    while (place := result.find(MAGIC, start, end)) >= 0:
        header, length = struct.unpack_from("<HQ", result, place + 6)
        first, last = place + header, place + header + length
        kept, entry = b"", first
        while entry < last:
            kind, _, own, code = struct.unpack_from("<HHIQ", result, entry)
            (made_for,) = struct.unpack_from("<I", result, entry + 28)
            if own + code == 0:
                break
            if (kind, made_for) == (CODE, architecture):
                kept += result[entry : entry + own + code]
            entry += own + code
        if entry != last or not kept:
            raise ValueError(f"a fat binary that cannot be read, or without sm_{architecture}")
        result[first:last] = kept.ljust(length, b"\0")
        struct.pack_into("<Q", result, place + 8, len(kept))
        start = last
    return bytes(result)


def main(path: Path, architecture: int) -> None:
    """Change a library in place."""
    table = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True)
    found = re.search(r"\.nv_fatbin +PROGBITS +\w+ (\w+) (\w+)", table.stdout)
    start, size = (int(number, 16) for number in found.groups())
    path.write_bytes(slimmed(path.read_bytes(), start, start + size, architecture))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
