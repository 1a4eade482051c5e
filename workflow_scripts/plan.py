"""Print what the reward database and the trainings of Meta-Sim take."""

from simtailor.config import Configuration
from simtailor.plan import Rates, describe_plan, plan_study
from simtailor.plan_metasim import describe_trainings, plan_trainings
from simtailor.reporting import reporter

params = snakemake.params
configuration = Configuration.model_validate(params.configuration)
with reporter(snakemake.log[0], "plan"):
    rates = Rates(snakemake.input.rates)
    stages = plan_study(configuration, params.sets, params.tasks, params.packages, rates)
    print(describe_plan(configuration, params.sets, params.tasks, stages, params.cores))
    print(f"\n\n{describe_trainings(plan_trainings(configuration, params.files, rates))}")
