"""A transfer goes on where it was cut, and becomes a blob only when it is what its digest says."""

import io
import multiprocessing
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.release.errors import ReleaseError
from service.release.have import have
from service.release.layout import Layout
from service.release.receive import receive
from tests.service.release.conftest import Host, hexdigest


@given(content=st.binary(max_size=4096), cuts=st.lists(st.integers(0, 4096), max_size=4))
def test_any_content_arrives_through_any_cuts(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int]
) -> None:
    layout = Layout(tmp_path_factory.mktemp("host"))
    digest = hexdigest(content)
    ends = sorted({0, *(cut for cut in cuts if cut < len(content)), len(content)})
    for begin, end in pairwise(ends if content else [0, 0]):
        part = io.BytesIO(content[begin:end])
        if end < len(content):
            with pytest.raises(ReleaseError, match=f"ended at {end} of {len(content)}"):
                receive(layout, digest, len(content), begin, part)
        else:
            receive(layout, digest, len(content), begin, part)
    assert (layout.blobs / digest).read_bytes() == content
    assert not [*layout.incoming.glob("*.part")]


def test_what_came_is_told(host: Host) -> None:
    content, digest = b"0123456789", hexdigest(b"0123456789")
    with pytest.raises(ReleaseError):
        receive(host.layout, digest, 10, 0, io.BytesIO(content[:4]))
    assert have(host.layout, host.engine)["partial"] == {digest: 4}
    with pytest.raises(ReleaseError, match="has 4 bytes, the sender goes on at 2"):
        receive(host.layout, digest, 10, 2, io.BytesIO(content[2:]))
    receive(host.layout, digest, 10, 4, io.BytesIO(content[4:]))
    assert have(host.layout, host.engine)["blobs"] == [digest]


@pytest.mark.parametrize("content", [b"wrong", b"right and more"])
def test_another_content_is_thrown_away(tmp_path: Path, content: bytes) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(ReleaseError, match="thrown away"):
        receive(layout, hexdigest(b"right"), 5, 0, io.BytesIO(content))
    assert not [*layout.incoming.glob("*.part")]
    assert not layout.blobs.exists()


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "A" * 64, "0" * 63])
def test_a_digest_is_a_digest(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ReleaseError, match="expected 64 hex digits"):
        receive(Layout(tmp_path), digest, 1, 0, io.BytesIO(b"x"))


def test_what_is_whole_is_not_received_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    receive(layout, hexdigest(b"x"), 1, 0, io.BytesIO(b"x"))
    receive(layout, hexdigest(b"x"), 1, 0, io.BytesIO(b"y"))
    assert (layout.blobs / hexdigest(b"x")).read_bytes() == b"x"


def _hang(layout: Layout, digest: str, descriptor: int) -> None:
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        receive(layout, digest, 10, 0, stream)


def test_a_receiver_on_a_dead_connection_gives_way(tmp_path: Path) -> None:
    layout, content = Layout(tmp_path), b"0123456789"
    digest = hexdigest(content)
    reading, writing = os.pipe()
    hanging = multiprocessing.get_context("fork").Process(target=_hang, args=(layout, digest, reading))
    hanging.start()
    os.write(writing, content[:4])
    part = layout.incoming / f"{digest}.part"
    while not part.exists():
        time.sleep(0.01)
    with pytest.raises(ReleaseError, match="the sender goes on at 9"):
        receive(layout, digest, 10, 9, io.BytesIO(b""))
    hanging.join(5)
    assert hanging.exitcode == -15
    receive(layout, digest, 10, part.stat().st_size, io.BytesIO(content[part.stat().st_size :]))
    assert (layout.blobs / digest).read_bytes() == content
    os.close(writing)
