"""Server-sent events, line by line."""

import pytest

from deploy.events import events


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data:a\r\n\r\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b": still here\n\ndata: a\n\n", ["a"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"\n\n\ndata: a\n\n\n", ["a"]),
        (b"data\ndatabase: a\n\n", []),
        (b"data: cut", []),
        (b"data: a\n", []),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"", []),
    ],
)
def test_the_data_of_each(stream: bytes, expected: list[str]) -> None:
    assert list(events(stream.splitlines(keepends=True))) == expected


def test_an_event_is_told_when_its_end_has_come_and_not_later() -> None:
    came = []

    def lines() -> object:
        for line in (b"data: a\n", b"\n", b"data: b\n", b"\n"):
            came.append(line)
            yield line

    reading = events(lines())  # type: ignore[arg-type]
    assert (next(reading), len(came)) == ("a", 2)
