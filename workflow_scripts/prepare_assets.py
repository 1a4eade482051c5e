"""Put all assets of the study into one file, and prefilter its skies."""

from simtailor.assets.arrays import write_pack
from simtailor.reporting import reporter
from simtailor.simulation.catalogue import Catalogue, merge_packs

params = snakemake.params
with reporter(snakemake.log[0], "prepare_assets") as report:
    pack = merge_packs(params.packs, params.classes, resources=params.cache)
    catalogue = Catalogue.create(pack, params.cache)
    write_pack(pack, snakemake.output[0])
    report(
        f"{len(catalogue.categories)} categories, {len(catalogue.models)} models, "
        f"{len(catalogue.skies)} skies, {len(catalogue.materials)} materials"
    )
    for note in pack.notes:
        report(note)
