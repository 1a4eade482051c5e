"""The adapter of dots with a fault: FAULT, and where it happens once the file MARK."""

import ctypes
import os
import sys
import time

import dots_adapter
import simtailor_simulator
from simtailor_simulator import progress, serve

FAULT, MARK = os.environ.get("FAULT", ""), os.environ.get("MARK", os.devnull)
X = {"unit": "px", "low": 0, "high": 15}


def first_time():
    """Return whether this fault happens for the first time."""
    try:
        os.close(os.open(MARK, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def render(scene, world):
    bad = scene.value("dot", "x", 0) > 12
    if FAULT == "chatter":
        print("a line of Blender " * 50)
        os.write(1, b'{"render": 1, "scene": 0, "error": "faked"}\n' * 20)
    if FAULT == "slow":
        progress("half way")
        time.sleep(0.05)
    if bad and (FAULT == "crash" or (FAULT == "crash once" and first_time())):
        ctypes.string_at(0)
    if bad and FAULT == "hang":
        ctypes.PyDLL(None).sleep(1000)  # in C, with Python's lock held
    if bad and FAULT == "hang once" and first_time():
        time.sleep(1000)
    if bad and FAULT == "error":
        raise ValueError("the dot falls off the table")
    if bad and FAULT == "size":
        scene.head = {**scene.head, "parts": [["image", 5]]}
        world[2]._send(scene.head, b"12345")
    if FAULT == "chance":
        return os.urandom(3 * len(world[0]) ** 2)
    return dots_adapter.render(scene, world[:2])


def setup(settings):
    if FAULT == "setup":
        raise RuntimeError("no such material")
    return *dots_adapter.setup(settings), serve.running


if FAULT == "exit":
    sys.exit("no licence")
if FAULT == "deaf":
    time.sleep(1000)
if FAULT == "old":
    simtailor_simulator.PROTOCOL = 2
KNOWN = {} if FAULT == "malformed" else {"dot": {"x": X}}
if FAULT == "malformed":
    KNOWN = {"dot": {"x": {"low": 3, "high": 1}}}
serve(
    render,
    setup=setup,
    name="faulty",
    version=os.environ.get("VERSION", "1"),
    attributes=KNOWN,
    deterministic=FAULT != "honest chance",
)
