"""Frames on real sockets, as a receiver takes them apart."""

import re
import socket
import threading
from pathlib import Path

import pytest

from service.sentinel.outlets.message import Message
from service.sentinel.outlets.syslog import Syslog, line
from tests.ports import held_ports
from tests.service.sentinel.receivers import certificate, message, server_side, syslog_server, told

RFC_5424 = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S{1,255}) casemate-sentinel (\d+) (\S{1,32}) "
    rb'(\[casemate@32473(?: [a-z]+="(?:[^"\\\]]|\\.)*")+\]) ((?s:.*))'
)


def test_a_line_is_one_of_rfc_5424() -> None:
    found = RFC_5424.fullmatch(line(message(3, severity="critical", container='we"ird]\\'), 8192))
    assert found
    assert (int(found[1]), found[2], found[3]) == (10 * 8 + 2, b"2023-11-14T22:13:23.000000Z", b"host1")
    assert found[5] == b"alert"
    assert found[6] == (b'[casemate@32473 severity="critical" set="etc" container="we\\"ird\\]\\\\" count="1" seq="3"]')
    assert found[7] == b'critical: etc: /etc/3 changed in container we"ird]\\'


def test_what_is_not_ascii_has_its_mark_and_is_cut_between_characters() -> None:
    long = line(message(3, path="/é" * 400), 900)
    found = RFC_5424.fullmatch(long)
    assert found
    assert found[7].startswith("\ufeffhigh: etc: /é/é".encode())
    assert len(long) <= 900
    assert long.decode().endswith(("é", "/"))


def test_a_host_s_name_cannot_break_the_header() -> None:
    odd = Message.of(told(0, "a b\nc"), "ho st\n1")
    assert RFC_5424.fullmatch(line(odd, 8192))


def test_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        syslog = Syslog("127.0.0.1", server.getsockname()[1], "udp")
        syslog.deliver(message(1, path="x" * 5000))
        content = server.recv(65536)
    assert len(content) <= 2048
    assert RFC_5424.fullmatch(content)


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_streams_have_a_length_before_each_message(protocol: str, tmp_path: Path) -> None:
    context = server_side(tmp_path, "127.0.0.1") if protocol == "tls" else None
    with syslog_server(context) as (port, frames):
        ca = str(tmp_path / "127.0.0.1.pem") if context else None
        syslog = Syslog("127.0.0.1", port, protocol, ca)
        for n in range(20):
            syslog.deliver(message(n, path="/é\n"))
        found = [RFC_5424.fullmatch(frames.get(timeout=10)) for _ in range(20)]
    assert [one and re.search(rb'seq="(\d+)"', one[6])[1] for one in found] == [b"%d" % n for n in range(20)]  # type: ignore[index]


def test_tls_is_verified(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger, _ = certificate(tmp_path / "other", "127.0.0.1")
    with syslog_server(server_side(tmp_path, "127.0.0.1")) as (port, frames):
        for ca in (None, str(stranger)):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                Syslog("127.0.0.1", port, "tls", ca).deliver(message(0))
        with pytest.raises(OSError, match="no CA certificates"):
            Syslog("127.0.0.1", port, "tls", str(tmp_path / "none.pem")).deliver(message(0))
    assert frames.empty()


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_receiver_that_was_restarted_misses_nothing(protocol: str, tmp_path: Path) -> None:
    context = server_side(tmp_path, "127.0.0.1") if protocol == "tls" else None
    ca = str(tmp_path / "127.0.0.1.pem") if context else None
    with held_ports(1) as [port]:
        syslog = Syslog("127.0.0.1", port, protocol, ca)
        for n in range(2):
            with syslog_server(context, port) as (_, frames):
                syslog.deliver(message(n))
                assert b'seq="%d"' % n in frames.get(timeout=10)
        with pytest.raises(ConnectionRefusedError):
            syslog.deliver(message(2))
        with syslog_server(context, port) as (_, frames):
            syslog.deliver(message(2))
            assert b'seq="2"' in frames.get(timeout=10)


def test_a_receiver_that_does_not_read_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.sentinel.outlets.syslog._PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        syslog = Syslog("127.0.0.1", listener.getsockname()[1], "tcp")
        done = threading.Event()
        failed: list[Exception] = []

        def send() -> None:
            try:
                while not done.is_set():
                    syslog.deliver(message(0, path="x" * 990))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(30)
        done.set()
    assert failed
