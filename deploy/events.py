"""Server-sent events, as a stream of them is read."""

from collections.abc import Iterable, Iterator


def events(lines: Iterable[bytes]) -> Iterator[str]:
    """The data of each event, from its lines; comments, other fields and an event without end are left out."""
    data: list[bytes] = []
    for line in lines:
        content = line.rstrip(b"\r\n")
        if content.startswith(b"data:"):
            data.append(content.removeprefix(b"data:").removeprefix(b" "))
        elif not content and data:
            yield b"\n".join(data).decode(errors="replace")
            data = []
