"""Programs that stand in for simulators where there are none, such as in tests.

One for each protocol, and all for tests: a process of its own that is started as a real one is,
speaks the real protocol, draws with the embedded ray caster, refuses what it does not know, and
makes mistakes when it is told to. ``python -m simtailor.render.standins FILE`` writes one as an
executable file.
"""
