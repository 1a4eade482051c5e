"""Draw the job graph and the rule graph."""

from simtailor.figures.dag import draw_workflow
from simtailor.reporting import reporter

with reporter(snakemake.log[0], "dag") as report:
    draw_workflow(
        snakemake.params.snakefile,
        snakemake.params.config,
        snakemake.params.targets,
        jobs=snakemake.output.jobs,
        rules=snakemake.output.rules,
        mermaid=snakemake.output.mermaid,
    )
    report(f"wrote {', '.join(snakemake.output)}")
