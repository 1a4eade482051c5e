"""Print what the reward database and the trainings of Meta-Sim take."""

import os
import sys

from simtailor.config import Configuration
from simtailor.plan import Rates, describe_plan, plan_study
from simtailor.plan_metasim import describe_trainings, plan_trainings
from simtailor.reporting import reporter, say

params = snakemake.params
configuration = Configuration.model_validate(params.configuration)
with reporter(snakemake.log[0], "plan"):
    # Of those that are allowed, what exists: jobs elsewhere have their own.
    cores = params.cores and min(params.cores, os.cpu_count() or params.cores)
    rates = Rates(snakemake.input.rates)
    stages = plan_study(configuration, params.sets, params.tasks, params.packages, rates)
    plan = describe_plan(configuration, params.sets, params.tasks, stages, cores)
    trainings = describe_trainings(plan_trainings(configuration, params.files, rates))
    say(f"{plan}\n\n\n{trainings}", sys.stdout)
