"""The IDX format of the MNIST family: one array of numbers a file.

Two zero bytes, a code for the type, the number of dimensions, each dimension as a
big-endian 32-bit number, then the values in big-endian order, the last index fastest
(as described with the MNIST database by LeCun, Cortes and Burges).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from simtailor.errors import UserError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """Return the array of an uncompressed IDX file, in the machine's byte order.

    Raises:
        UserError: the file cannot be read, is no IDX file, or is shorter or longer than it says.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read this file: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise UserError(f"{path}: not an IDX file: it starts with the bytes {data[:4]!r}")
    kind, dimensions = np.dtype(TYPES[data[2]]), data[3]
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise UserError(f"{path}: ends within its header; fetch it again")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, 4))
    expected = start + math.prod(shape) * kind.itemsize
    if len(data) != expected:
        raise UserError(
            f"{path}: has {len(data)} bytes, but {expected} by its own header; fetch it again"
        )
    try:
        values = np.frombuffer(data, kind, offset=start).reshape(shape)
    except ValueError as error:  # NumPy's limits on dimensions
        raise UserError(f"{path}: {error}") from error
    return values.astype(kind.newbyteorder("="))
