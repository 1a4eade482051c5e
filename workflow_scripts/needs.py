"""Print what jobs took beside what their rules ask for."""

import sys

from simtailor.reporting import reporter, say
from simtailor.usage import describe_usage, read_usage

with reporter(snakemake.log[0], "needs"):
    say(describe_usage(read_usage(snakemake.params.rules)), sys.stdout)
