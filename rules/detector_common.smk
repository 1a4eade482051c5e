# What the rules of the detectors ask about an experiment.


def tiles_of_experiment(wildcards):
    """Return the labelled pictures of an experiment, checked once: that reads a folder."""
    name = wildcards.experiment
    if name not in TILES:
        TILES[name] = tiles_of(name, experiment_of(wildcards), CONFIGURATION.detector)
    return TILES[name]


def plain_tiles_of(wildcards):
    return tiles_of_experiment(wildcards).model_dump(mode="json")


def package_of_tiles(wildcards):
    """Return the folder of the fetched package that holds the labelled pictures, if one does."""
    tiles = tiles_of_experiment(wildcards)
    return [] if tiles.package is None else package_folders([tiles.package])


def labels_state_of(wildcards):
    """Return in which state a user's labelled pictures are."""
    return labels_state(tiles_of_experiment(wildcards))


def classes_of_experiment(wildcards):
    return classes_of(experiment_of(wildcards))


def drawn_files(names):
    """Return the files of drawn pictures of some names."""
    return local(
        expand(rules.detector_pictures.output[0], drawn=names, allow_missing=True)
    )


def drawn_of_source(wildcards):
    """Return the files of drawn pictures that a source is made of."""
    return drawn_files(drawn_for(wildcards.source))


def detectors_of_sources(wildcards):
    """Return the folders of all detectors, by source and seed."""
    return local(
        expand(
            rules.train_detector.output[0],
            source=sources_of(DETECTOR, tiles_of_experiment(wildcards)),
            number=range(DETECTOR.seeds),
            allow_missing=True,
        )
    )


def drawn_of_sources(wildcards):
    """Return the files of drawn pictures of all sources."""
    sources = sources_of(DETECTOR, tiles_of_experiment(wildcards))
    return drawn_files(dict.fromkeys(n for s in sources for n in drawn_for(s)))


DETECTOR = CONFIGURATION.detector
TILES = {}


wildcard_constraints:
    drawn="|".join(DRAWN),
    source="|".join(SOURCES),
    number=r"\d+",
