"""``renderer: program``: any simulator, as child processes that draw scenes."""
