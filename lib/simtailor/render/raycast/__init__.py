"""The embedded ray caster on Warp: no display, no graphics driver, CPU or CUDA."""
