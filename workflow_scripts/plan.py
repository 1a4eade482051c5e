"""Print what the reward database takes."""

import sys

from simtailor.config import Configuration
from simtailor.plan import Rates, describe_plan, plan_study
from simtailor.reporting import reporter, say

params = snakemake.params
configuration = Configuration.model_validate(params.configuration)
with reporter(snakemake.log[0], "plan"):
    rates = Rates(snakemake.input.rates)
    stages = plan_study(configuration, params.sets, params.tasks, params.packages, rates)
    plan = describe_plan(configuration, params.sets, params.tasks, stages, params.cores)
    say(plan, sys.stdout)
