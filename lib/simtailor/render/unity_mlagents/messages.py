"""The messages of ``mlagents_envs``, made loadable with a current protobuf.

The package brings modules that an old protoc generated, which protobuf refuses since its version
4. Each holds its file's description as serialized bytes. From these the same modules are built
anew and put in their place before the package asks for them.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

PACKAGE = "mlagents_envs.communicator_objects"


@cache
def provide_messages() -> None:
    """Put the modules in place; call it before anything of ``mlagents_envs`` is imported.

    Raises:
        ImportError: the package or protobuf is not installed.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool  # noqa: PLC0415  of the extra
    from google.protobuf.internal import builder  # noqa: PLC0415

    if f"{PACKAGE}.command_pb2" in sys.modules:
        return
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"there is no {PACKAGE}")
    package = sys.modules.setdefault(PACKAGE, importlib.util.module_from_spec(found))
    descriptions = {
        path.stem: _description(path)
        for folder in found.submodule_search_locations
        for path in sorted(Path(folder).glob("*_pb2.py"))
    }
    parsed = {
        name: descriptor_pb2.FileDescriptorProto.FromString(data)
        for name, data in descriptions.items()
    }
    module_of = {file.name: name for name, file in parsed.items()}
    pool, done = descriptor_pool.Default(), set[str]()

    def load(name: str) -> None:
        """Build a module after those that it imports."""
        if name in done:
            return
        done.add(name)
        for other in parsed[name].dependency:
            load(module_of[other])
        module = ModuleType(f"{PACKAGE}.{name}")
        descriptor = pool.AddSerializedFile(descriptions[name])
        module.DESCRIPTOR = descriptor
        builder.BuildMessageAndEnumDescriptors(descriptor, vars(module))
        builder.BuildTopDescriptorsAndMessages(descriptor, module.__name__, vars(module))
        sys.modules[module.__name__] = module
        setattr(package, name, module)

    for name in parsed:
        load(name)


def _description(path: Path) -> bytes:
    """Return the serialized description in a generated module, without running it.

    Raises:
        ImportError: there is none.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            value = node.value  # the text itself, or a call that encodes it
            value = value.args[0] if isinstance(value, ast.Call) else value
            if isinstance(value, ast.Constant) and value.value:
                text = value.value
                return text if isinstance(text, bytes) else text.encode("latin-1")
    raise ImportError(f"{path}: it holds no description of messages")
