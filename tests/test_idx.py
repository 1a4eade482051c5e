"""The IDX format: arrays come back, and damaged files are named."""

import numpy as np
import pytest
from conftest import write_idx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simtailor.errors import UserError
from simtailor.idx import read_idx

TYPES = st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"])
VALUES = TYPES.flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some-images-idx3-ubyte"


@given(VALUES)
def test_arrays_come_back(path, values):
    write_idx(path, values)
    read = read_idx(path)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)
    read[...] = 0  # the array is the caller's own


def test_bytes_are_read_as_described(path):
    path.write_bytes(bytes([0, 0, 11, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 255, 254]))
    assert read_idx(path).tolist() == [[258], [-2]]


@given(VALUES, st.data())
def test_a_file_of_another_length_is_named(path, values, data):
    write_idx(path, values)
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    for damaged in (content[:cut], content + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="some-images-idx3-ubyte"):
            read_idx(path)


@given(st.binary(max_size=40) | st.binary(max_size=300).map(lambda b: b"\0\0\x08" + b))
def test_garbage_gives_an_array_or_a_user_error(path, content):
    path.write_bytes(content)
    try:
        values = read_idx(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert values.nbytes == len(content) - 4 - 4 * values.ndim


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match="absent-idx"):
        read_idx(tmp_path / "absent-idx")
