"""The logger plugin of Snakemake that profiles/default names; Snakemake finds it by this name.

What it says is decided in simtailor.console.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from simtailor.console.display import Display
from simtailor.console.durations import MEASURED
from simtailor.reporting import ONLY_FAILURES


class LogHandler(LogHandlerBase):
    """Shows a run by one line a job; dry runs and what other options ask for as Snakemake does."""

    def __post_init__(self) -> None:
        # Snakemake imports this module before its own are complete.
        import snakemake  # noqa: PLC0415

        settings = self.common_settings
        self._stream = sys.stdout if settings.stdout else sys.stderr
        self._display = self._usual = None
        if any((settings.dryrun, settings.quiet, settings.verbose, settings.debug_dag,
                settings.printshellcmds, settings.show_failed_logs)):  # fmt: skip
            self._usual = self._snakemakes_own()
        else:
            os.environ[ONLY_FAILURES] = "1"  # jobs inherit it
            terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
            own = Path(snakemake.__file__).parent
            self._display = Display(self._stream, terminal, own, MEASURED)

    def _snakemakes_own(self) -> logging.Handler:
        from snakemake.logging import (  # noqa: PLC0415
            ColorizingTextHandler,
            DefaultFilter,
            DefaultFormatter,
        )

        said = self.common_settings
        return ColorizingTextHandler(
            said.nocolor,
            self._stream,
            DefaultFormatter(said.quiet, said.show_failed_logs),
            DefaultFilter(
                said.quiet, said.debug_dag, said.verbose, said.dryrun, said.printshellcmds
            ),
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; what goes wrong here must not end the thread that shows the others."""
        if self._display is not None:
            try:
                self._display.feed(record)
            except Exception:
                self.handleError(record)
        elif getattr(record, "event", None) != LogEvent.WORKFLOW_STARTED:
            self._usual.handle(record)

    def close(self) -> None:
        """End what is shown."""
        if self._display is not None:
            self._display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
