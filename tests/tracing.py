"""The packages that can trace rays, for tests of both."""

import pytest

from simtailor.render.raycast.tracers import EMBREE, WARP, embree_is_there

needs_embree = pytest.mark.skipif(not embree_is_there(), reason="embreex is not installed")
TRACERS = [WARP, pytest.param(EMBREE, marks=needs_embree)]
