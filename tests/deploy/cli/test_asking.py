"""One question to all hosts: what each answers, and why one does not."""

from types import SimpleNamespace
from typing import Any

from gevent.pool import Pool

from deploy.cli.asking import on_all
from deploy.errors import CasemateError


def test_who_does_not_answer_is_named_once() -> None:
    def question(host: Any) -> dict[str, Any]:
        raise CasemateError(f"{host.name}: no python3", next="install it")

    connection: Any = SimpleNamespace(
        hosts=[SimpleNamespace(name="gpu1")],
        refused={"gpu2": CasemateError("gpu2: it does not answer", next="see whether it is up")},
        state=SimpleNamespace(pool=Pool()),
    )
    assert on_all(connection, question) == {
        "gpu1": {"error": "no python3; next: install it"},
        "gpu2": {"error": "it does not answer; next: see whether it is up"},
    }
