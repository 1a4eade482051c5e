"""Names of backbones, ``{parameters}`` or ``{parameters}.seed{n}``, and of their files.

Imports nothing heavy: the workflow uses it while it plans.
"""

from __future__ import annotations

# Without a question mark, which would end the path of an address in object storage.
BACKBONE_PATTERN = r"[01](_[01]){4}_[0-3](_[01]){3}(\.seed\d+){0,1}"
WEIGHTS, DESCRIPTION = "model.safetensors", "backbone.json"
