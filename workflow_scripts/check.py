"""Report what the configuration lacks here."""

import sys

from simtailor.errors import UserError
from simtailor.preflight.asked import Asked
from simtailor.preflight.findings import State, describe, run_checks, summary_of
from simtailor.reporting import reporter, say

with reporter(snakemake.log[0], "check") as report:
    findings = run_checks(Asked.of(snakemake.params.asked))
    say(describe(findings), sys.stdout)
    if any(finding.state == State.MISSING for finding in findings):
        raise UserError(summary_of(findings))
    report(summary_of(findings))
