"""Print what the reward database takes."""

from simtailor.config import Configuration
from simtailor.plan import Rates, describe_plan, plan_study
from simtailor.reporting import reporter

params = snakemake.params
configuration = Configuration.model_validate(params.configuration)
with reporter(snakemake.log[0], "plan"):
    stages = plan_study(
        configuration, params.sets, params.images, params.packages, Rates(snakemake.input.rates)
    )
    text = describe_plan(configuration, params.sets, len(params.images), stages, params.cores)
    print(text)
