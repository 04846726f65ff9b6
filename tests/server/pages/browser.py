"""A tab of real Chromium, driven over its debugging pipe: no driver program, no port, no package."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

#: Chromium reads commands from descriptor 3 and writes answers to 4; each message ends with a zero byte.
_LAUNCH = "import os,sys; r,w=map(int,sys.argv[1:3]); os.dup2(r,3); os.dup2(w,4); os.execv(sys.argv[3],sys.argv[3:])"
#: keys that have a name, by their number
_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40}


class Tab:
    """One tab. Waiting has a deadline everywhere; `problems` collects what the page's console complained about."""

    def __init__(self, chromium, *, timeout_s: float = 30) -> None:
        self._timeout_s = timeout_s
        to_read, self._write = (_high(fd) for fd in os.pipe())
        self._read, to_write = (_high(fd) for fd in os.pipe())
        command = chromium.command("--remote-debugging-pipe", "about:blank")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(to_read), str(to_write), *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._ids = itertools.count(1)
        self._buffer = b""
        self._session = None
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values) -> dict:
        """Send a command and give its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": values}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + self._timeout_s
        while True:
            said = self._next(ends)
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said.get('error')}"
                return said["result"]
            self._note(said)

    def _next(self, ends: float) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, ends - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, said: dict) -> None:
        if said.get("method") == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
            self.problems.append(said["params"]["entry"]["text"])
        elif said.get("method") == "Runtime.consoleAPICalled" and said["params"]["type"] == "error":
            self.problems.append(json.dumps(said["params"]["args"])[:500])
        elif said.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(said["params"]["exceptionDetails"])[:500])

    def run(self, script: str):
        """A JavaScript expression's value."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str, *, within_s: float = 10) -> float:
        """Wait until the expression is true. Gives the seconds it took."""
        begins = time.monotonic()
        while True:
            with contextlib.suppress(AssertionError):  # the page may be on its way to another
                if self.run(script):
                    return time.monotonic() - begins
            assert time.monotonic() - begins < within_s, f"not within {within_s} s: {script}\n{self.problems}"
            time.sleep(0.02)

    def go(self, url: str) -> None:
        """Open an address and wait until its scripts have run."""
        self.run("window.left = true")
        self.call("Page.navigate", url=url)
        self.until("!window.left && document.readyState === 'complete'")

    def submit(self, selector: str) -> None:
        """Press a button that leads to another page."""
        self.run("window.left = true")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self.until("!window.left && document.readyState === 'complete'")

    def attach(self, selector: str, *files: Path) -> None:
        """Choose files in a field, as a person does in the browser's dialogue."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(one) for one in files])

    def press(self, key: str) -> None:
        """A key, to whatever has the focus: a letter (a capital one with Shift), or the name of a key."""
        letter = len(key) == 1
        text = key if letter else "\r" if key == "Enter" else ""
        number = ord(key.upper()) if letter else _KEYS[key]
        shift = 8 if letter and key.isupper() else 0
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=f"Key{key.upper()}" if letter else key,
                windowsVirtualKeyCode=number, modifiers=shift, **more,
            )  # fmt: skip

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """The window's size and the person's wish for dark or light."""
        phone = width < 500
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """A PNG of the page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def close(self) -> None:
        """End Chromium."""
        self._session = None
        with contextlib.suppress(AssertionError, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)


def _high(fd: int) -> int:
    """The same pipe end under a number that 3 and 4 cannot collide with."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return moved
