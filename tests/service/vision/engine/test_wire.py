"""The wire: what is sent arrives, pictures of any size beside it; and what is cut off is no message."""

import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.conversation import Picture
from service.vision.engine.wire import Sender, receive

sizes = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), max_size=4)


def picture(width: int, height: int) -> Picture:
    noise = np.random.default_rng(width * height).integers(0, 255, (height, width, 3), np.uint8)
    return Picture.upright(noise, (28, 28), f"{width}x{height}")


@given(sizes, st.text(max_size=50))
def test_messages_arrive_one_behind_the_other(sizes: list[tuple[int, int]], text: str) -> None:
    out, into = socket.socketpair()
    pictures = [picture(*size) for size in sizes]

    def send() -> None:
        sender = Sender(out)
        sender.send("take", 7, pictures)
        sender.send("cancel", text)

    with out, into:
        into.settimeout(20)
        sending = threading.Thread(target=send)
        sending.start()
        what, number, seen = receive(into)
        assert (what, number, len(seen)) == ("take", 7, len(pictures))
        for sent, came in zip(pictures, seen, strict=True):
            assert np.array_equal(sent.pixels, came.pixels)
            assert (came.sha256, came.size) == (sent.sha256, sent.size)
        assert receive(into) == ("cancel", text)
        sending.join()


@pytest.mark.parametrize("kept", [0, 3, 16, 200, 1000])
def test_what_is_cut_off_is_the_end(kept: int) -> None:
    """Within the head, what is pickled, or a picture."""
    out, into = socket.socketpair()
    with out, into:
        Sender(out).send("take", 1, picture(20, 20))
        whole = into.recv(1 << 16)
    assert len(whole) > 1200
    out, into = socket.socketpair()
    with into:
        with out:
            out.sendall(whole[:kept])
        with pytest.raises(EOFError):
            receive(into)
