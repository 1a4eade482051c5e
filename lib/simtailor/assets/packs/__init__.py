"""Asset packs, one module each; a module that is added here is found by its registration."""
