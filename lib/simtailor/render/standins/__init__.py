"""Programs that stand in for Unity players where there are none, such as in tests.

Each is a process of its own that speaks a player's real protocol, draws with the embedded ray
caster, refuses what it does not know, and makes mistakes when it is told to.
``python -m simtailor.render.standins FILE`` writes one as an executable file.
"""
