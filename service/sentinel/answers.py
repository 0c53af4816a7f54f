"""What the sentinel does when it is asked to."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

from service.sentinel import deviations
from service.sentinel.acceptance import Acceptance
from service.sentinel.baseline import Baseline, BaselineError
from service.sentinel.control import ControlError
from service.sentinel.entry import named
from service.sentinel.judge import Judge
from service.sentinel.quarantine import Quarantine, QuarantineError
from service.sentinel.record import Recorder
from service.sentinel.rehash import Rehash
from service.sentinel.sweep import Sweeper
from service.sentinel.window import Window, WindowError, Windows

WINDOWS = "windows"
"""The fact that keeps the open window over a restart."""
_SWEPT = 600.0
_HASHED = 840.0


class Answers:
    """One method a verb, `window open` is `window_open`; each gets the request and returns JSON values."""

    def __init__(
        self,
        *,
        judge: Judge,
        sweeper: Sweeper,
        rehash: Rehash,
        windows: Windows,
        baseline: Baseline,
        acceptance: Acceptance,
        quarantine: Quarantine,
        recorder: Recorder,
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._judge, self._sweeper, self._rehash, self._windows = judge, sweeper, rehash, windows
        self._baseline, self._acceptance, self._quarantine = baseline, acceptance, quarantine
        self._recorder, self._status = recorder, status
        self._closing = threading.Lock()
        self._verbs = {name.replace("_", " "): getattr(self, name) for name in dir(self) if not name.startswith("_")}

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises ControlError."""
        verb = self._verbs.get(str(request.get("do", "")).replace("_", " "))
        if verb is None:
            raise ControlError(f"got {request.get('do')!r}, expected one of {', '.join(sorted(self._verbs))}")
        try:
            found: dict[str, Any] = verb(request)
            return found
        except (BaselineError, WindowError, QuarantineError) as error:
            raise ControlError(str(error)) from None
        except KeyError as error:
            raise ControlError(f"{request['do']} needs {error}") from None
        except TimeoutError:
            raise ControlError("the sentinel is too busy; next: casemate-sentinel status, then again") from None

    def status(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._status()

    def sweep(self, request: dict[str, Any]) -> dict[str, Any]:
        """With `content` every content is read again as well; that goes on after the answer."""
        if request.get("content"):
            self._rehash.everything()
        self._swept()
        last = self._sweeper.last
        return {"seen": last.seen, "differing": last.differing, "seconds": round(last.seconds, 3)}

    def window_open(self, request: dict[str, Any]) -> dict[str, Any]:
        document, signature = request["document"], request["signature"]
        said = self._windows.checked(document, signature)
        before = self._windows.open
        window = self._judge.ask(lambda store: self._begun(store, said, document, signature))
        if before and before.run != window.run:
            self._recorder.note("window_closed", run=before.run, why=f"run {window.run} came, signed and later")
        self._recorder.note(
            "window_opened", run=window.run, by=window.by, sequence=window.sequence, until=round(window.until)
        )
        return {"run": window.run, "sequence": window.sequence, "until": window.until}

    def window_close(self, request: dict[str, Any]) -> dict[str, Any]:
        run = request["run"]
        if self._windows.open is None or self._windows.open.run != run:
            self._windows.end(run)  # Says so.
        self._swept()
        return self.end_window(run, "the deploy closed it")

    def end_window(self, run: str, why: str) -> dict[str, Any]:
        with self._closing:
            window = self._judge.ask(lambda store: self._ended(store, run))
            self._recorder.note("window_closed", run=run, why=why, planned=window.planned, unplanned=window.unplanned)
            summary = self._acceptance.make(run, why, window.by)
        return {**self._shown(summary.shown()), "planned": window.planned, "unplanned": window.unplanned}

    def baseline_show(self, _: dict[str, Any]) -> dict[str, Any]:
        summary = self._baseline.summary()
        if summary is None:
            raise BaselineError("there is no baseline yet; next: wait for the first sweep, casemate-sentinel status")
        deviating = self._judge.ask(deviations.count)
        return {**self._shown(summary.shown()), "deviating": deviating}

    def baseline_diff(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"differences": self._acceptance.differences()}

    def baseline_accept(self, request: dict[str, Any]) -> dict[str, Any]:
        reason, by = str(request["reason"]).strip(), str(request["by"]).strip()
        if not reason or not by:
            raise ControlError("accepting needs a reason and who does it; next: --reason TEXT")
        given = request.get("paths")
        if not given and not request.get("all"):
            raise ControlError("got no paths; next: name them, or all")
        paths = None if request.get("all") else [named(one) for one in given or ()]
        summary = self._acceptance.make("", reason, by, paths)
        self._recorder.note("baseline_accepted", paths=given or "all", reason=reason, by=by, sequence=summary.sequence)
        return self._shown(summary.shown())

    def baseline_sign(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._shown(self._acceptance.sign(request["signature"]).shown())

    def baseline_export(self, _: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"content": base64.b64encode(self._baseline.path("jsonl.gz").read_bytes()).decode()}
        except OSError as error:
            raise BaselineError(f"the baseline cannot be read: {error}") from None

    def quarantine_list(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"quarantines": self._quarantine.list()}

    def quarantine_release(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"released": self._quarantine.release(request["id"], request["by"], request["reason"])}

    def _shown(self, summary: dict[str, Any]) -> dict[str, Any]:
        """`document` is what the operator signs."""
        return {"baseline": summary, "document": base64.b64encode(self._baseline.path("json").read_bytes()).decode()}

    def _begun(self, store: Any, said: dict[str, Any], document: str, signature: str) -> Window:
        window = self._windows.begin(said, document, signature)
        store.note(WINDOWS, self._windows.kept())
        return window

    def _ended(self, store: Any, run: str) -> Window:
        window = self._windows.end(run)
        deviations.accept(store, None, planned=True)
        store.note(WINDOWS, self._windows.kept())
        return window

    def _swept(self) -> None:
        """Everything is as it was judged: by a whole sweep, and by contents that were still being read."""
        done = threading.Event()
        self._sweeper.everything(done.set)
        if not done.wait(_SWEPT) or not self._judge.settled(_HASHED):
            raise TimeoutError
