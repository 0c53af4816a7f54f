"""A container's output, caught from its very beginning."""

import threading

from deploy.facts.posture.engine import DOCKER_SOCKET, Engine


class Running:
    """Attached to a container that is about to start; what it prints is read by a thread of its own."""

    def __init__(self, container: str, seconds: float) -> None:
        self.container, self._seconds, self._output = container, seconds, b""
        self._engine = Engine(DOCKER_SOCKET, timeout=seconds)
        self._engine.request(
            "POST", f"/containers/{container}/attach?stream=1&stdout=1&stderr=1", headers={"Host": "docker"}
        )
        self._answer = self._engine.getresponse()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            self._output = self._answer.read()
        finally:
            self._engine.close()

    def output(self) -> str:
        """What it printed until its end. Raises RuntimeError when it does not end."""
        self._reader.join(self._seconds)
        if self._reader.is_alive():
            raise RuntimeError(f"container {self.container[:12]} did not end in {self._seconds} s")
        return frames(self._output)


def frames(data: bytes) -> str:
    """The text in the engine's stream: frames of one byte for the channel, three of nothing and four of length."""
    text = b""
    while len(data) >= 8:
        size = int.from_bytes(data[4:8], "big")
        text, data = text + data[8 : 8 + size], data[8 + size :]
    return text.decode(errors="replace")
