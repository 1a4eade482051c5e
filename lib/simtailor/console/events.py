"""Names of the events of Snakemake's logger, and of our own that go the same way.

This library does not import Snakemake.
"""

STARTED, ERROR, JOB_ERROR, GROUP_ERROR = "workflow_started", "error", "job_error", "group_error"
STATISTICS, JOB, JOB_DONE, PROGRESS = "run_info", "job_info", "job_finished", "progress"

# Ours; a record carries beside its event:
# PLANNED: ``jobs``, a sequence of ExpectedJob, and ``capacity``, threads or jobs at a time.
# ENDED: ``files``, lines that say what to open.
PLANNED, ENDED = "simtailor_planned", "simtailor_ended"
