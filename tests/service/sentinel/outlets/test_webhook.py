"""A real HTTP server: signature, TLS, redirects, slow and dripping answers, an outage."""

import hmac
import threading
import time
from pathlib import Path

import pytest

from service.sentinel.outlets import post
from service.sentinel.outlets.outlet import Outlet, Refused
from service.sentinel.outlets.spool import Spool
from service.sentinel.outlets.webhook import Webhook
from tests.ports import held_ports
from tests.service.sentinel.receivers import certificate, message, server_side, web
from tests.service.sentinel.running import until


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    return str(tmp_path / "secret")


def test_the_receiver_can_prove_who_sent_it_and_when(secret: str) -> None:
    with web() as hook:
        Webhook(f"http://127.0.0.1:{hook.port}/hooks/t0ken?x=1", secret).deliver(message(7))
    [posted] = hook.posted
    stamp = posted.headers["X-Casemate-Timestamp"]
    expected = hmac.new(b"0123456789abcdef", stamp.encode() + b"." + posted.body, "sha256").hexdigest()
    assert posted.headers["X-Casemate-Signature"] == f"sha256={expected}"
    assert abs(int(stamp) - time.time()) < 60
    assert posted.path == "/hooks/t0ken?x=1"
    assert posted.headers["Content-Type"] == "application/json"
    assert (posted.document["first_seq"], posted.document["message"]) == (7, "high: etc: /etc/7 changed")


def test_without_a_secret_it_is_not_signed() -> None:
    with web() as hook:
        Webhook(f"http://127.0.0.1:{hook.port}").deliver(message(0))
    assert "X-Casemate-Signature" not in hook.posted[0].headers
    assert hook.posted[0].path == "/"


def test_tls_is_verified(secret: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other", "127.0.0.1")
    with web(context=server_side(tmp_path, "127.0.0.1")) as hook:
        url = f"https://127.0.0.1:{hook.port}/"
        Webhook(url, secret, str(tmp_path / "127.0.0.1.pem")).deliver(message(0))
        for ca in (None, str(stranger)):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                Webhook(url, secret, ca).deliver(message(1))
        with pytest.raises(OSError, match="match"):
            Webhook(url.replace("127.0.0.1", "localhost"), secret, str(tmp_path / "127.0.0.1.pem")).deliver(message(2))
    assert [one.document["first_seq"] for one in hook.posted] == [0]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(secret: str, status: int) -> None:
    with web() as elsewhere, web() as hook:
        hook.status, hook.location = status, f"http://127.0.0.1:{elsewhere.port}/"
        with pytest.raises(OSError, match="a redirect"):
            Webhook(f"http://127.0.0.1:{hook.port}/", secret).deliver(message(0))
    assert (elsewhere.posted, elsewhere.got) == ([], [])


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Refused), (413, Refused), (401, OSError), (429, OSError), (500, OSError)]
)
def test_a_refusal_for_ever_differs_from_a_fault(secret: str, status: int, kind: type[Exception]) -> None:
    with web() as hook:
        hook.status = status
        with pytest.raises(kind, match=f"HTTP {status}"):
            Webhook(f"http://127.0.0.1:{hook.port}/", secret).deliver(message(0))


def test_no_error_tells_a_secret(secret: str) -> None:
    with web() as hook:
        port = hook.port
        hook.status = 500
        told = []
        for url in (f"http://user:pa55@127.0.0.1:{port}/t0ken?k=t0ken", f"https://127.0.0.1:{port}/t0ken"):
            with pytest.raises(OSError, match="127") as caught:
                Webhook(url, secret).deliver(message(0))
            told.append(str(caught.value))
    for url in (f"http://127.0.0.1:{port}/t0ken", f"http://127.0.0.1:{port}/t0 ken\n"):
        with pytest.raises(OSError, match="127") as caught:
            Webhook(url, secret).deliver(message(0))
        told.append(str(caught.value))
    assert not [text for text in told if "t0" in text or "pa55" in text or "0123456789abcdef" in text]


@pytest.mark.parametrize("content", ["", " \n", None])
def test_a_secret_that_cannot_be_read_sends_nothing(tmp_path: Path, content: "str | None") -> None:
    if content is not None:
        (tmp_path / "none").write_text(content)
    with web() as hook, pytest.raises(OSError, match="none"):
        Webhook(f"http://127.0.0.1:{hook.port}/", str(tmp_path / "none")).deliver(message(0))
    assert hook.posted == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_drips_ends_in_time(scheme: str, tmp_path: Path) -> None:
    context = server_side(tmp_path, "127.0.0.1") if scheme == "https" else None
    ca = str(tmp_path / "127.0.0.1.pem") if context else None
    with web(context=context) as hook:
        hook.drip = True
        start = time.monotonic()
        with pytest.raises(OSError, match="no whole answer in time"):
            post.post(f"{scheme}://127.0.0.1:{hook.port}/", b"{}", {}, ca, whole=0.3)
        assert time.monotonic() - start < 5


@pytest.mark.long
def test_an_outage_delivers_everything_afterwards_in_order(secret: str, tmp_path: Path) -> None:
    """An hour of a message a second, in the time that it takes to write them."""

    def outlet(port: int) -> Outlet:
        hook, spool = Webhook(f"http://127.0.0.1:{port}/", secret), Spool(tmp_path / "spool")
        return Outlet(hook, spool, lambda *_: None, first_pause=0.01)

    with held_ports(1) as [port]:
        one = outlet(port)
        one.start()
        for n in range(3600):
            one.put(message(n))
        until(lambda: one.condition().failures > 2)
        one.close(5)
        again = outlet(port)
        again.start()
        with web(port) as hook:
            until(lambda: again.spool.depth == 0, 120)
            again.close(5)
    assert [one.document["first_seq"] for one in hook.posted] == list(range(3600))
    assert again.spool.dropped == 0


def test_a_hanging_receiver_keeps_nobody_waiting(secret: str, tmp_path: Path) -> None:
    with web() as hook:
        hook.hang = threading.Event()
        one = Outlet(Webhook(f"http://127.0.0.1:{hook.port}/", secret), Spool(tmp_path / "spool"), lambda *_: None)
        one.start()
        start = time.monotonic()
        for n in range(100):
            one.put(message(n))
        assert time.monotonic() - start < 60  # Each would have to wait for ten.
        hook.hang.set()
        until(lambda: len(hook.posted) == 100)
        one.close(5)
