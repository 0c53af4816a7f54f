"""One person's visit to the page: a browser context of its own, and everything suspicious that it did."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, Request, expect

from tests.service.vision.served import KEY

API = "**/v1/chat/completions"
SCREENSHOTS = Path(__file__).resolve().parents[4] / "build" / "screenshots"
_REFUSED = re.compile(r"Failed to load resource: (the server responded with a status of \d+|net::ERR_)")
_REPORT = "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective, e.blockedURI))"
expect.set_options(timeout=5_000)


@dataclass
class Visit:
    """`page` is Playwright's; `faults` are errors on the console, blocked loads and requests to anywhere else."""

    context: BrowserContext
    address: str
    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def begin(
        cls, browser: Browser, address: str, *, key: str | None = KEY, script: str = "", **options: Any
    ) -> "Visit":
        """Open the page; with a key already given in this tab, unless it is None; `script` runs first."""
        context = browser.new_context(ignore_https_errors=True, **{"locale": "en-US", **options})
        context.add_init_script(f"{_REPORT}; {script}")
        if key is not None:
            given = f"sessionStorage.getItem('visited') ?? sessionStorage.setItem('casemate.key', '{key}')"
            context.add_init_script(f"{given}; sessionStorage.setItem('visited', '1')")
        visit = cls(context, address, context.new_page())
        visit.watch()
        visit.open()
        return visit

    def watch(self) -> None:
        """Note what the page does."""
        context = self.context
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("request", self._request)
        # Playwright takes dialogues over from a first listener on, and not at once: Enter would open a real one.
        self.page.on("filechooser", lambda _: None)

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _REFUSED.match(text):
            self.faults.append(text)

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        if not request.url.startswith((self.address, f"blob:{self.address}", "data:")):
            self.faults.append(f"asked for {request.url}")

    def open(self) -> None:
        """Load the page, anew if it was there."""
        self.page.goto(self.address + "/")
        self.page.wait_for_selector("html[data-ready]")

    @property
    def question(self) -> Locator:
        """Where one writes."""
        return self.page.locator("#question")

    @property
    def send(self) -> Locator:
        """The button that sends, or stops."""
        return self.page.locator("#send")

    @property
    def answers(self) -> Locator:
        """The answers' text."""
        return self.page.locator(".answered .answer")

    @property
    def thumbnails(self) -> Locator:
        """The pictures that are to be sent."""
        return self.page.locator("#pictures img")

    def choose(self, *files: Path | bytes) -> None:
        """Choose pictures through the file dialogue."""
        with self.page.expect_file_chooser() as dialogue:
            self.page.locator("#choose").click()
        payloads = [
            FilePayload(
                name=f"{index}.png", mimeType="image/png", buffer=file if isinstance(file, bytes) else file.read_bytes()
            )
            for index, file in enumerate(files)
        ]
        before = self.thumbnails.count()
        dialogue.value.set_files(payloads)
        expect(self.thumbnails).to_have_count(before + len(files))

    def add(self, *files: bytes, name: str = "{}.png") -> None:
        """Choose pictures, and do not wait until they are ready."""
        payloads = [
            FilePayload(name=name.format(index), mimeType="image/png", buffer=file) for index, file in enumerate(files)
        ]
        self.page.locator("#files").set_input_files(payloads)

    def ask(self, text: str) -> None:
        """Type a question and send it by Enter."""
        self.question.fill(text)
        self.question.press("Enter")

    def answered(self, text: str, number: int = 1) -> None:
        """Wait until the answer of that number is complete, and is this."""
        expect(self.answers).to_have_count(number)
        expect(self.answers.last).to_have_text(text, timeout=20_000)
        expect(self.page.locator(".answered[aria-busy=false]")).to_have_count(number)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something on the server's side."""
        deadline = time.monotonic() + 5
        while not holds() and time.monotonic() < deadline:
            self.page.wait_for_timeout(10)
        assert holds()

    def shoot(self, name: str) -> None:
        """A screenshot, for people."""
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    def end(self) -> None:
        """Close the browser's context; what it did must have been in order."""
        self.context.close()
        assert not self.faults
