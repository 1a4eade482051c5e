"""Unity players with the ML-Agents package, which get scene graphs by a side channel."""
