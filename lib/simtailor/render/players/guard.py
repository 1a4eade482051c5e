"""Runs a command and ends it when whoever started this is gone: ``guard.py DESCRIPTOR COMMAND``.

The descriptor is the reading end of a pipe whose other end the starter holds. When the starter
dies, however it dies, the pipe closes, and the guard ends the process group that it leads. It
ends as the command does, with the same status or by the same signal.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def watch(descriptor: int) -> None:
    """End the whole group when the pipe closes."""
    os.read(descriptor, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> int:
    """Run the command."""
    descriptor = int(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: None)  # the command is asked to end, we follow it
    try:
        child = subprocess.Popen(sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 127
    threading.Thread(target=watch, args=(descriptor,), daemon=True).start()
    status = child.wait()
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the core is the command's, not ours
        with suppress(OSError):  # of SIGKILL there is nothing to set
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main())
