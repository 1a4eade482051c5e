"""Output data as a build of ThreeDWorld sends it: FlatBuffers with four letters of their kind.

The package tdw brings the functions that write them; its own copy of FlatBuffers cannot write the
letters, so the builder is that of the package flatbuffers.
"""

import warnings

import flatbuffers
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from tdw.FBOutput import Bounds, ImagePass, Images, QuitSignal

PASSES = {"_img": 1, "_mask": 8}
PNG, JPG = 1, 2


def images(avatar: str, size: tuple[int, int], passes: list[tuple[str, bytes, bool]]) -> bytes:
    """Return 'imag' data.

    Args:
        size: width and height; passes: of each its name, its file, and whether that is a PNG.
    """
    builder, offsets = flatbuffers.Builder(1 << 16), []
    for name, data, is_png in passes:
        vector = builder.CreateByteVector(data)
        ImagePass.ImagePassStart(builder)
        ImagePass.ImagePassAddPassMask(builder, PASSES[name])
        ImagePass.ImagePassAddImage(builder, vector)
        ImagePass.ImagePassAddExtension(builder, PNG if is_png else JPG)
        offsets.append(ImagePass.ImagePassEnd(builder))
    Images.ImagesStartPassesVector(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector = builder.EndVector()
    names = builder.CreateString(avatar), builder.CreateString("SensorContainer")
    Images.ImagesStart(builder)
    Images.ImagesAddAvatarId(builder, names[0])
    Images.ImagesAddSensorName(builder, names[1])
    Images.ImagesAddWidth(builder, size[0])
    Images.ImagesAddHeight(builder, size[1])
    Images.ImagesAddPasses(builder, vector)
    return _finished(builder, Images.ImagesEnd(builder), b"imag")


def bounds(numbers: list[int], points: np.ndarray) -> bytes:
    """Return 'boun' data; points: [N, 7, 3], front, back, right, left, top, bottom, centre."""
    builder = flatbuffers.Builder(1024)
    ids = builder.CreateNumpyVector(np.asarray(numbers, np.int32))
    places = builder.CreateNumpyVector(np.asarray(points, np.float32).ravel())
    Bounds.BoundsStart(builder)
    Bounds.BoundsAddIds(builder, ids)
    Bounds.BoundsAddBoundPositions(builder, places)
    return _finished(builder, Bounds.BoundsEnd(builder), b"boun")


def quit_signal(fine: bool) -> bytes:
    """Return 'quit' data."""
    builder = flatbuffers.Builder(64)
    QuitSignal.QuitSignalStart(builder)
    QuitSignal.QuitSignalAddOk(builder, fine)
    return _finished(builder, QuitSignal.QuitSignalEnd(builder), b"quit")


def version(build: str, unity: str) -> bytes:
    """Return 'vers' data, which is no FlatBuffer."""
    return b"\0\0\0\0vers" + bytes([1, len(build)]) + build.encode() + unity.encode()


def _finished(builder: flatbuffers.Builder, root: int, letters: bytes) -> bytes:
    builder.Finish(root, file_identifier=letters)
    return bytes(builder.Output())
