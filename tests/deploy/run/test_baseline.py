"""Baselines: believed when they are whole, newer, and the operator's."""

from dataclasses import replace

import pytest

from deploy.errors import CasemateError
from deploy.run.baseline import Baseline, changed, sign_and_keep, signed_by_operator
from deploy.settings.release import ReleaseSettings
from tests.deploy.run.sentinels import Sentinel, entry, host, sentinel, settings

__all__ = ["sentinel", "settings"]


def test_a_signed_one_is_kept_and_is_the_operator_s(sentinel: Sentinel, settings: ReleaseSettings) -> None:
    signed = sign_and_keep(host(), "lab.py", settings)
    assert signed_by_operator(signed, settings)
    assert Baseline.kept("lab.py", "gpu1") == signed
    assert Baseline.kept("lab.py", "gpu2") is None


def test_lines_that_are_not_those_of_the_document_are_not_signed(
    sentinel: Sentinel, settings: ReleaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = sentinel.of_host(None)
    sentinel.entries["/etc/evil"] = entry()
    forged = replace(honest, content=sentinel.of_host(None).content)
    monkeypatch.setattr(Baseline, "of_host", lambda _: forged)
    with pytest.raises(CasemateError, match="not the one that its own document is about"):
        sign_and_keep(host(), "lab.py", settings)
    assert not signed_by_operator(forged, settings)


def test_an_old_one_is_not_signed_again(sentinel: Sentinel, settings: ReleaseSettings) -> None:
    sentinel.sequence = 5
    sign_and_keep(host(), "lab.py", settings)
    sentinel.sequence = 4
    with pytest.raises(CasemateError, match="somebody put an old one back"):
        sign_and_keep(host(), "lab.py", settings)


def test_a_signature_for_something_else_is_none(sentinel: Sentinel, settings: ReleaseSettings) -> None:
    signed = sign_and_keep(host(), "lab.py", settings)
    sentinel.sequence += 1
    assert not signed_by_operator(replace(signed, document=sentinel.document), settings)


def test_two_are_told_apart_by_content_and_not_by_times_of_directories(sentinel: Sentinel) -> None:
    before = sentinel.of_host(None)
    sentinel.entries = {"/etc/a": entry(b"other"), "/etc/c": entry()}
    assert changed(before, sentinel.of_host(None)) == ["/etc/a", "/etc/b", "/etc/c"]
    assert changed(before, before) == []


def test_one_that_cannot_be_read_is_an_error(sentinel: Sentinel) -> None:
    broken = replace(sentinel.of_host(None), content=b"no gzip")
    assert not broken.whole()
    with pytest.raises(CasemateError, match="cannot be read"):
        broken.entries()


def test_lines_that_somebody_wrote_over_have_no_header(sentinel: Sentinel) -> None:
    honest = sentinel.of_host(None)
    assert honest.whole()
    for content in (b"x", honest.content + b"x", honest.content[:-9]):
        assert not replace(honest, content=content).whole()
    assert replace(honest, content=b"x").header == {}
