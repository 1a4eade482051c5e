"""A headless Chromium, driven through its debugging protocol over two pipes.

Where a browser is: SIMTAILOR_TEST_BROWSER, or a program of a usual name on the path.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from queue import Empty, Queue

SWITCH = "SIMTAILOR_TEST_BROWSER"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
           "--disable-dev-shm-usage", "--remote-debugging-pipe")  # fmt: skip
KEYS = {
    "ArrowRight": 39,
    "ArrowLeft": 37,
    "Home": 36,
    "End": 35,
    "Enter": 13,
    "Tab": 9,
    "Escape": 27,
}
LIMIT = 30  # seconds for an answer


def find_browser() -> str | None:
    """Return the program of a Chromium, or None."""
    return os.environ.get(SWITCH) or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a Chromium that ends with the block."""

    def __init__(self, program: str, profile: Path, size: tuple[int, int] = (1280, 900)) -> None:
        ours, theirs = os.pipe(), os.pipe()
        self._write, self._read = ours[1], theirs[0]

        # The browser reads from 3 and writes to 4; a shell puts the pipes there.
        pipes = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", pipes, "browser", *command], pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(ours[0])
        os.close(theirs[1])
        self._numbers, self._answers, self.complaints = itertools.count(1), Queue(), []
        threading.Thread(target=self._listen, daemon=True).start()
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)

    def call(self, method: str, **parameters: object) -> dict:
        """Ask something of the page."""
        return self._call(method, self._session, **parameters)

    def _call(self, method: str, session: str | None = None, **parameters: object) -> dict:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        try:
            while (answer := self._answers.get(timeout=LIMIT))["id"] != number:
                pass
        except Empty:
            raise TimeoutError(method) from None
        assert "error" not in answer, answer
        return answer["result"]

    def _listen(self) -> None:
        rest = b""
        while data := os.read(self._read, 1 << 16):
            *messages, rest = (rest + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers.put(message)
                elif message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                    self.complaints.append(message["params"])
        os.close(self._read)

    def open(self, address: str) -> None:
        """Go to an address and wait until its document stands."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && document.querySelector('main h2')")

    def run(self, expression: str) -> object:
        """Return what an expression gives in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + LIMIT
        while not self.run(f"Boolean({expression})"):
            assert time.monotonic() < until, expression
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        code = KEYS.get(key, ord(key.upper()[0]))
        text = {} if key in KEYS and key != "Enter" else {"text": "\r" if key == "Enter" else key}
        for kind, more in (("keyDown", text), ("keyUp", {})):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code, **more)  # fmt: skip

    def dark(self, dark: bool) -> None:
        """Ask for the dark or the light look."""
        value = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": value}])  # fmt: skip

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
