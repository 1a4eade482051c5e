"""What renderers share that start a player: a program that was built with a game engine."""
