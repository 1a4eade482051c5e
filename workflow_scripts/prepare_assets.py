"""Pack all assets of the study into one file."""

from simtailor.reporting import reporter
from simtailor.simulation.catalogue import load_catalogue
from simtailor.simulation.catalogue_file import write_catalogue

packs, classes = snakemake.params.packs, snakemake.params.classes
with reporter(snakemake.log[0], "prepare_assets") as report:
    catalogue = load_catalogue(packs, classes, resources=snakemake.params.cache)
    write_catalogue(catalogue, snakemake.output[0])
    report(
        f"{len(catalogue.categories)} categories, {len(catalogue.models)} models, "
        f"{len(catalogue.skies)} skies, {len(catalogue.materials)} materials"
    )
