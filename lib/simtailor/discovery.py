"""Files that register what they hold, found by their folder."""

from __future__ import annotations

import importlib
import pkgutil


def import_modules_of(package: str) -> None:
    """Import every module of a package, such as ``simtailor.assets.packs``."""
    found = importlib.import_module(package)
    for module in pkgutil.iter_modules(found.__path__):
        importlib.import_module(f"{package}.{module.name}")
