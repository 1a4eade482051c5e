"""Read an asset pack into its cache and picture what it holds."""

from simtailor.assets.pack import load_pack
from simtailor.figures.assets import pack_pictures
from simtailor.finishing import finish
from simtailor.gpus import hold_gpus
from simtailor.render.raycast.caster import use_kernel_cache
from simtailor.reporting import reporter

hold_gpus(snakemake.resources.gpu, snakemake.params.device)

cache = snakemake.params.cache
with reporter(snakemake.log[0], snakemake.wildcards.pack) as report:
    use_kernel_cache(f"{cache}/kernels")
    pack = load_pack(snakemake.params.pack, resources=cache)
    models = sum(len(category.models) for category in pack.categories)
    report(
        f"{len(pack.categories)} categories, {models} models, {len(pack.environments)} "
        f"environments, {len(pack.materials)} materials"
    )
    pack_pictures(pack, snakemake.output[0], cache=cache, device=snakemake.params.device)
    for note in pack.notes:
        report(note)
    finish(snakemake, report)
