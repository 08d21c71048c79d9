"""A headless Chromium, driven over its own protocol by a pipe: pages as a reader has them.

No driver and no library: Chromium reads JSON, each ended by a NUL, from its descriptor 3 and
writes it to 4 (--remote-debugging-pipe). What it asked the network for, what it ran and what it
complained of is noted for every page.
https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import json
import os
import select
import subprocess
import tempfile
import time

from host_tests.lab import programs

_WAIT_S = 30


class Browser:
    """Made by `browser()`; `open(path)` gives a Page."""

    def __init__(self, folder):
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        argv = [
            programs.find("chromium-headless-shell"),
            "--remote-debugging-pipe",
            "--no-sandbox",
        ]
        argv += ["--disable-gpu", f"--user-data-dir={folder}", "--hide-scrollbars"]
        # The protocol wants them as 3 and 4; a shell puts them there.
        script = f'exec "$@" 3<&{to_child} 4>&{from_child}'
        self._log = open(os.path.join(folder, "log"), "wb")
        self._process = subprocess.Popen(
            ["bash", "-c", script, "browser", *argv],
            pass_fds=(to_child, from_child),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(to_child)
        os.close(from_child)
        self._number = 0
        self._buffer = b""
        self.events = []

    def call(self, method, session=None, **parameters):
        """Call a method of the protocol; its result. Events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda said: said.get("id") == self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_for(self, method, session):
        """Wait for an event, which may have come already."""

        def fits(said):
            return said.get("method") == method and said.get("sessionId") == session

        return next(filter(fits, self.events), None) or self._until(fits)

    def _until(self, fits):
        deadline = time.monotonic() + _WAIT_S
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._in], [], [], deadline - time.monotonic())
                data = os.read(self._in, 1 << 20) if ready else b""
                if not data:
                    raise RuntimeError("Chromium says nothing: " + self.log()[-2000:])
                self._buffer += data
            text, _, self._buffer = self._buffer.partition(b"\0")
            said = json.loads(text)
            self.events.append(said)
            if fits(said):
                return said

    def log(self):
        with open(self._log.name, errors="replace") as file:
            return file.read()

    def open(self, path, width=1200, height=900, scheme="light"):
        """A Page of a file, laid out at a width, in a colour scheme."""
        return Page(self, path, width, height, scheme)

    def close(self):
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Page:
    """A page that is open. `requests`: what it asked for beside itself; `complaints`: what the
    console says, the policy's refusals among it."""

    def __init__(self, browser, path, width, height, scheme):
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._target, self._session = target, attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Audits"):
            self._call(f"{domain}.enable")
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=media)
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.url = "file://" + os.path.abspath(path)
        self._call("Page.navigate", url=self.url)
        browser.wait_for("Page.loadEventFired", self._session)

    def _call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def _events(self, *methods):
        return [
            said["params"]
            for said in self._browser.events
            if said.get("sessionId") == self._session and said.get("method") in methods
        ]

    @property
    def requests(self):
        asked = self._events("Network.requestWillBeSent")
        return [one["request"]["url"] for one in asked if one["request"]["url"] != self.url]

    @property
    def complaints(self):
        said = self._events("Log.entryAdded", "Runtime.exceptionThrown", "Audits.issueAdded")
        said += self._events("Runtime.consoleAPICalled", "Page.javascriptDialogOpening")
        return [json.dumps(one) for one in said]

    def ask(self, expression):
        """The value of a JavaScript expression, or what its promise comes to, asked from outside
        the page's policy."""
        told = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"]["description"])
        return told["result"].get("value")

    def media(self, kind):
        """Show it as for `kind`: screen or print."""
        self._call("Emulation.setEmulatedMedia", media=kind)

    def picture(self, path, whole=True):
        """Write what it looks like as a PNG."""
        got = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(got["data"]))

    def paper(self, path):
        """Write it as a PDF, A4; the number of its pages."""
        got = self._call(
            "Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.7
        )
        content = base64.b64decode(got["data"])
        with open(path, "wb") as file:
            file.write(content)
        return content.count(b"/Type /Page\n")

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextlib.contextmanager
def browser():
    """Yield a Browser; it is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        made = Browser(folder)
        try:
            yield made
        finally:
            made.close()
