"""Runs a command and ends it with whoever started this, even where that one was killed.

Started as a file by a Python of its own, with a pipe for standard input that closes when its
starter ends. The command runs in this process's group, so that all of it can be ended at once.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    status = command.wait()
    if status < 0:  # end as the command did
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
