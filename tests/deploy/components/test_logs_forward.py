"""Lines go to a remote syslog over TLS, whole and once, by the distribution's rsyslogd and what is rendered for it."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.components import logs as component
from deploy.facts.chained.logs import LOGS
from deploy.facts.posture import logs as posture
from deploy.operations.templates import render
from deploy.settings.logs import ForwardSettings, LogsSettings
from service.ledger import Ledger

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("rsyslogd"), reason="needs rsyslog and rsyslog-gnutls"),
]

_SECONDS = 30.0


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, the remote side's certificate for logs.test, and one for the host."""
    made = tmp_path_factory.mktemp("papers")
    new = "-newkey rsa:2048 -nodes"
    openssl(made, *f"req -x509 {new} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca".split())
    for name in ("logs.test", "host.test"):
        openssl(made, *f"req {new} -keyout {name}.key -out {name}.csr -subj /CN={name}".split())
        (made / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext"
        openssl(made, *f"{sign} -out {name}.pem".split())
    return made


class Remote:
    """What a syslog server does: takes messages of `LENGTH MESSAGE` (RFC 5425)."""

    def __init__(self, papers: Path, port: int = 0, asks: bool = False) -> None:
        self.messages: list[bytes] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers / "logs.test.pem", papers / "logs.test.key")
        if asks:
            context.load_verify_locations(papers / "ca.pem")
            context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", port), reuse_port=True)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for one in (self._listening, *self._open):
            with_end(one)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
                taken = self._context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._open.append(taken)
            threading.Thread(target=self._take, args=(taken,), daemon=True).start()

    def _take(self, taken: ssl.SSLSocket) -> None:
        with taken.makefile("rb") as stream:
            length = b""
            while byte := stream.read(1):
                if byte != b" ":
                    length += byte
                    continue
                self.messages.append(stream.read(int(length)))
                length = b""


def with_end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def until(condition: Callable[[], bool], seconds: float = _SECONDS) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


class Forwarding:
    """rsyslogd with the configuration of a host whose places are below `root`."""

    def __init__(self, root: Path, papers: Path, **settings: object) -> None:
        self.log = root / "audit.jsonl"
        self.state = root / "state"
        self.state.mkdir()
        given = ForwardSettings.model_validate({"host": "127.0.0.1", "ca": papers / "ca.pem", **settings})
        text = component.forwarding(given)
        pair = root / "pair.pem"
        pair.write_text((papers / "host.test.pem").read_text() + (papers / "host.test.key").read_text())
        for place, here in (
            (component.FORWARD_STATE, self.state),
            (component.FORWARD_CA, papers / "ca.pem"),
            (component.FORWARD_PAIR, pair),
            (LOGS["vision"], self.log),
            ("/var/log/casemate", root / "others"),
        ):
            text = text.replace(str(place), str(here))
        self.file = root / "rsyslog.conf"
        self.file.write_text(text)
        subprocess.run(["rsyslogd", "-N1", "-f", str(self.file)], check=True, capture_output=True)
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        self.process = subprocess.Popen(
            ["rsyslogd", "-n", "-iNONE", "-f", str(self.file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return self.process

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def forward(tmp_path: Path, papers: Path) -> Iterator[Callable[..., Forwarding]]:
    made: list[Forwarding] = []

    def start(**settings: object) -> Forwarding:
        made.append(Forwarding(tmp_path, papers, **settings))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def arrived(remote: Remote) -> list[bytes]:
    """The lines, without what syslog puts before them."""
    return [message.split(b" - - - ", 1)[1] for message in remote.messages]


def test_lines_come_whole_and_once_while_logs_are_turned_over_and_either_side_is_away(
    forward: Callable[..., Forwarding], papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posture, "_PLACE", str(tmp_path))
    remote = Remote(papers)
    sent = forward(port=remote.port, name="logs.test")
    ledger = Ledger(sent.log)
    written: list[bytes] = []

    def write(count: int, **fields: str) -> None:
        for number in range(count):
            ledger.append({"number": number, **fields})
        written.extend(sent.log.read_bytes().splitlines()[-count:])

    write(20)
    write(1, long="x" * 65_000)
    assert until(lambda: arrived(remote) == written), f"{len(arrived(remote))} of {len(written)}"
    assert b" casemate-vision - - - {" in remote.messages[0]
    assert str(sent.log) in posture.followed(sent.process.pid)
    sent.log.rename(sent.log.with_name("audit.jsonl-20261123-080000"))
    write(20)
    assert until(lambda: arrived(remote) == written)
    sent.stop()
    write(20)
    sent.start()
    assert until(lambda: arrived(remote) == written), "it goes on where it was"
    remote.close()
    write(20)
    again = Remote(papers, remote.port)
    try:
        # What was on its way when the connection broke is in nobody's hands in plain syslog: the chain tells. It may be
        # all of these, if they were written before the network said that nobody is there.
        until(lambda: len(arrived(again)) > 0, 3)
        write(20)
        assert until(lambda: arrived(again)[-19:] == written[-19:]), f"{len(arrived(again))} of 40"
        assert arrived(again) == written[-len(arrived(again)) :], "without a hole"
    finally:
        again.close()


def test_a_remote_side_of_another_name_gets_nothing(forward: Callable[..., Forwarding], papers: Path) -> None:
    remote = Remote(papers)
    sent = forward(port=remote.port, name="other.test")
    Ledger(sent.log).append({"secret": True})
    assert not until(lambda: bool(remote.messages), seconds=4)
    remote.close()


@pytest.mark.parametrize("shows", [True, False])
def test_a_remote_side_that_asks_who_comes_is_told_by_certificate(
    forward: Callable[..., Forwarding], papers: Path, shows: bool
) -> None:
    remote = Remote(papers, asks=True)
    pair = {"certificate": papers / "host.test.pem", "private_key": papers / "host.test.key"} if shows else {}
    sent = forward(port=remote.port, name="logs.test", **pair)
    Ledger(sent.log).append({"n": 1})
    assert until(lambda: bool(remote.messages), seconds=_SECONDS if shows else 4) is shows
    remote.close()


def test_where_it_runs_it_may_start_threads() -> None:
    unit = render("logs/casemate-forward.service.j2", configuration="/c", state="/s")
    filters = [line for line in unit.splitlines() if line.startswith("SystemCallFilter=")]
    assert filters.index("SystemCallFilter=sched_setscheduler") > filters.index(
        "SystemCallFilter=~@resources @privileged"
    )


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        LogsSettings.model_validate({"forward": {"host": "logs.test", "ca": "ca.pem", "certificate": "a.pem"}})
