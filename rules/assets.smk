# Pictures of the asset packs: `snakemake results/task2sim/assets/sweethome3d`.
from simtailor.assets.pack import fetched_packages, packs_state


wildcard_constraints:
    pack=r"[A-Za-z0-9_\-]+",


rule asset_pack:
    """results/task2sim/assets/PACK: pictures of an asset pack."""
    input:
        packages=lambda wildcards: [
            local(f"{RESOURCES}/packages/{name}")
            for name in fetched_packages([pack_asked_for(wildcards)])
        ],
        kernels=local(rules.compile_renderer.output),
    output:
        report(
            directory(f"{RESULTS}/task2sim/assets/{{pack}}"),
            patterns=[f"{FIGURE}.png"],
            category="Task2Sim",
            subcategory="asset packs",
            labels={"pack": "{pack}", "figure": "{figure}"},
        ),
    log:
        "logs/assets/{pack}.log",
    benchmark:
        "logs/benchmarks/assets/{pack}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: RENDER_THREADS
    resources:
        mem_mb=memory("asset_pack"),
        runtime=minutes("asset_pack"),
        gpu=gpus("asset_pack"),
    params:
        pack=pack_asked_for,
        files_state=lambda wildcards: packs_state([pack_asked_for(wildcards)]),
        device=CONFIGURATION.device,
        cache=lambda wildcards: RESOURCES,
    message:
        "Read and picture the asset pack {wildcards.pack}"
    script:
        "../workflow_scripts/picture_assets.py"
