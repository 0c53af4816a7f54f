"""A compiled model answers as one that is not, for every number of rows and every shape, and is compiled only once."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.paths import ROOT
from service.vision.conversation import Sampling
from service.vision.engine.compiled import Compiled, compile_both
from service.vision.engine.computations import Read, Seen, Step
from service.vision.engine.decoder import Decoder
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.tower import Tower
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.engine.asking import alone, asked, job, said, together

pytestmark = pytest.mark.long

WISH = Sampling(max_new_tokens=20, temperature=1.0, seed=3)
SHAPES = [(), ((60, 40),), ((60, 40), (40, 60)), ((60, 40), (90, 90), (60, 40))]


def parts(engine: TransformersEngine) -> tuple[Decoder, Tower]:
    worker = engine._ready.worker
    return worker._decoder, worker._features._model.model.visual


class Standing:
    """The computations as a compiler gets them, not compiled: what it traces is right or wrong here already."""

    def __init__(self, decoder: Decoder) -> None:
        self.step, self.read = Step(decoder), Read(decoder)


@pytest.fixture
def traced(real: TransformersEngine) -> Iterator[TransformersEngine]:
    decoder, tower = parts(real)
    decoder.compiled, tower.compiled = Standing(decoder), Seen(tower).forward
    yield real
    decoder.compiled = tower.compiled = None


@pytest.fixture(scope="module")
def compiled(checkpoint: Path) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(replace(choices(checkpoint), compile=True))
    asyncio.run(engine.start())
    yield engine
    asyncio.run(engine.stop())


def answers(engine: TransformersEngine) -> list[Any]:
    """To requests with pictures of one shape and of several, one after the other and all at once; none is known yet."""
    features = engine._ready.worker._features
    features._kept.clear()
    features._tokens = 0
    asking = [(replace(WISH, seed=n), sizes, "ab" * (n + 1), n, None) for n, sizes in enumerate(SHAPES)]
    return [*asyncio.run(alone(engine, asking)), *asyncio.run(together(engine, asking))]


def test_what_is_traced_computes_the_same(real: TransformersEngine, traced: TransformersEngine) -> None:
    changed = answers(traced)
    decoder, tower = parts(real)
    decoder.compiled = tower.compiled = None
    assert changed == answers(real)


def test_what_fails_is_done_as_it_stands(
    real: TransformersEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody's answer pays for it, and it is told once."""

    def broken(*inputs: torch.Tensor) -> list[torch.Tensor]:
        raise RuntimeError("kernel")

    expected, tower = answers(real), parts(real)[1]
    monkeypatch.setattr(torch._inductor, "standalone_compile", lambda *_, **__: broken)
    with torch.no_grad():
        tower.compiled = seen = Compiled(Seen(tower))
    try:
        assert answers(real) == expected
    finally:
        tower.compiled = None
    assert not seen.works
    assert capsys.readouterr().err.count("RuntimeError at:") == 1


def test_what_fails_as_it_stands_too_is_no_fault_of_the_compiler(
    real: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._inductor, "standalone_compile", lambda *_, **__: None)
    with torch.no_grad():
        seen = Compiled(Seen(parts(real)[1]))
    with pytest.raises(RuntimeError, match="shapes"):
        seen(torch.zeros(1, 4, 3), torch.zeros(4, 3), torch.zeros(4, 1, 1, 3, 2))
    assert seen.works


def test_what_cannot_be_compiled_is_told(real: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise AssertionError("a kernel does not fit\nat line 3")

    monkeypatch.setattr(torch._inductor, "standalone_compile", fails)
    with pytest.raises(EngineUnusable, match="cannot be compiled: AssertionError: a kernel does not fit; next: unset"):
        compile_both(*parts(real))
    assert parts(real)[0].compiled is None


def test_a_compiler_leaves_nothing_behind(tmp_path: Path) -> None:
    """Nor takes what lies there: headers that it had compiled before would be anybody's."""
    program = (
        "import sys, torch, tempfile; from pathlib import Path; tempfile.tempdir = sys.argv[1]\n"
        "from service.vision.engine.compiled import Compiled; from service.vision.engine.compiler import workshop\n"
        "from torch.export import Dim\n"
        "class Twice(torch.nn.Module):\n"
        "    def forward(self, x): return x * 2 + x.exp()\n"
        "    def example(self): return (torch.ones(3),), ({0: Dim('n', min=1)},)\n"
        "with workshop(): made = Compiled(Twice())\n"
        "assert made(torch.zeros(5)).tolist() == [1.0] * 5 and made.works\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(asked, min_size=2, max_size=8))
def test_every_answer_is_what_it_is_alone(compiled: TransformersEngine, requests: list[tuple[Any, ...]]) -> None:
    assert asyncio.run(together(compiled, requests)) == asyncio.run(alone(compiled, requests))
    assert_works(compiled)


def test_it_answers_as_one_that_is_not(compiled: TransformersEngine, real: TransformersEngine) -> None:
    assert answers(compiled) == answers(real)
    assert_works(compiled)


def test_nothing_is_compiled_once_it_has_started(compiled: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows from one to more than a batch, lengths up to the context's, places that grow; and no compiler runs."""

    def never(*_: object, **__: object) -> Any:
        raise AssertionError("somebody waited for a compiler")

    for name in ("compile_fx.compile_fx_inner", "codecache.CppCodeCache.load_async", "codecache.CppCodeCache.load"):
        monkeypatch.setattr(f"torch._inductor.{name}", never)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    async def crowd(count: int, tokens: int) -> None:
        wish = replace(WISH, max_new_tokens=tokens)
        jobs = [job(compiled, wish, SHAPES[n % len(SHAPES)], "a" * (n + 1)) for n in range(count)]
        await asyncio.gather(*(said(compiled, one) for one in jobs))

    for count in (1, 2, 3, 4, 6):
        asyncio.run(crowd(count, 5 * count))
    asyncio.run(crowd(1, 300))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime == before
    assert_works(compiled)


def assert_works(engine: TransformersEngine) -> None:
    decoder, tower = parts(engine)
    for one in (decoder.compiled.step, decoder.compiled.read, tower.compiled):  # type: ignore[union-attr]
        assert isinstance(one, Compiled)
        assert one.works


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_other_precisions_are_compiled_too(checkpoint: Path, precision: str) -> None:
    engine = TransformersEngine(replace(choices(checkpoint), precision=precision, compile=True))

    async def once() -> int:
        await engine.start()
        tokens = (await said(engine, job(engine, WISH, SHAPES[2], "a")))[2]
        await engine.stop()
        return tokens

    assert asyncio.run(once()) >= 1
    assert_works(engine)
