"""The engine in a process of its own: the same answers, and a death that costs no more than what was under way."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from deploy.paths import ROOT
from service.vision.conversation import Job, Sampling, Turn
from service.vision.engine.protocol import EngineBusy, EngineUnusable, JobFailed, JobRefused
from service.vision.engine.separate import SeparateEngine
from service.vision.engine.transformers import TransformersEngine
from tests.freezing import freeze
from tests.service.descriptors import held
from tests.service.vision.conftest import choices
from tests.service.vision.engine import asking
from tests.service.vision.engine.asking import job, said
from tests.service.vision.running import Running, until

pytestmark = pytest.mark.long

T = TypeVar("T")
LONG = Sampling(max_new_tokens=400, temperature=1.0, seed=1)


def with_engine(engine: SeparateEngine, work: Coroutine[Any, Any, T]) -> T:
    async def whole() -> T:
        await engine.start()
        try:
            return await work
        finally:
            await engine.stop()

    return asyncio.run(whole())


def child(engine: SeparateEngine) -> int:
    assert engine._process
    return engine._process.pid


def test_answers_are_those_of_the_engine_in_this_process(checkpoint: Path, real: TransformersEngine) -> None:
    engine = SeparateEngine(choices(checkpoint))
    sampling = Sampling(max_new_tokens=12, temperature=1.0)
    jobs = [job(real, replace(sampling, seed=n), ((60, 40), (n + 20, 90))[: n % 3], "abc") for n in range(9)]

    async def work() -> Any:
        assert engine.fit(999, 333, coarse=False) == real.fit(999, 333, coarse=False)
        generation = await engine.submit(jobs[1])
        assert generation.prompt_tokens > 10
        generation.cancel()
        return await asyncio.gather(*(said(engine, one) for one in jobs))

    assert with_engine(engine, work()) == [asyncio.run(said(real, one)) for one in jobs]


def test_refusals_and_a_full_queue_come_through(checkpoint: Path) -> None:
    engine = SeparateEngine(replace(choices(checkpoint), batch=1, queue_tokens=100))

    async def work() -> None:
        with pytest.raises(JobRefused) as refused:
            await engine.submit(Job((Turn("user", ("a" * 100_000,)),)))
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
        one = Job((Turn("user", ("a" * 90,)),), replace(LONG, max_new_tokens=300))
        taken = []

        async def more() -> None:
            for _ in range(30):
                taken.append(await engine.submit(one))

        with pytest.raises(EngineBusy):
            await more()
        for generation in taken:
            generation.cancel()
        await asking.until(lambda: engine.load().running + engine.load().waiting == 0)
        assert engine.load().resident > 50_000_000
        assert not engine._mailboxes
        assert not engine._taken

    with_engine(engine, work())


def test_a_job_that_cannot_be_sent_fails_alone(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SeparateEngine(choices(checkpoint))
    asked = Job((Turn("user", ("abc",)),), replace(LONG, max_new_tokens=3))

    async def work() -> None:
        def full(*_: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr(engine._sender, "send", full)
            with pytest.raises(JobFailed) as failed:
                await engine.submit(asked)
        assert (failed.value.code, failed.value.again) == ("internal_error", False)
        assert not engine._mailboxes
        assert (await said(engine, asked))[2] == 3

    with_engine(engine, work())


def test_who_waits_when_it_dies_is_told_and_the_next_is_answered(
    checkpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = SeparateEngine(choices(checkpoint))

    async def work() -> None:
        gc.collect()  # what earlier tests left would go meanwhile, and hide as many new ones
        before = len(held())
        for _ in range(2):
            generation = await engine.submit(Job((Turn("user", ("abc",)),), LONG))
            os.kill(child(engine), signal.SIGKILL)
            with pytest.raises(JobFailed) as failed:
                async for _ in generation:
                    pass
            assert (failed.value.code, failed.value.again) == ("engine_failed", True)
            assert engine.health().state == "loading"
            with pytest.raises(JobFailed):
                await engine.submit(Job((Turn("user", ("abc",)),), LONG))
            await asking.until(lambda: engine.health().state == "ready")
            assert (await said(engine, Job((Turn("user", ("abc",)),), replace(LONG, max_new_tokens=3))))[2] == 3
        assert len(held()) == before
        os.kill(child(engine), signal.SIGKILL)
        await asking.until(lambda: engine.lost)
        assert "killed by signal 9, 3 times" in str(engine.lost)
        assert engine.health().state == "failed"

    with_engine(engine, work())
    assert capfd.readouterr().err.count("another one is started") == 2


def test_jobs_that_wait_to_be_handed_in_do_not_reach_the_next_process(checkpoint: Path) -> None:
    """It would take the first of them for its settings."""
    engine, go_on = SeparateEngine(choices(checkpoint)), threading.Event()
    asked = Job((Turn("user", ("abc",)),), replace(LONG, max_new_tokens=3))

    async def work() -> None:
        before = child(engine)
        engine._post.submit(go_on.wait, 20)  # A job of many pictures that is being packed, say.
        submitted = [asyncio.create_task(engine.submit(asked)) for _ in range(3)]
        await asking.until(lambda: engine._post._work_queue.qsize() == 3)
        os.kill(before, signal.SIGKILL)
        await asking.until(lambda: child(engine) != before)
        await asking.until(lambda: engine._post._work_queue.qsize() == 4)
        go_on.set()
        for one in submitted:
            with pytest.raises(JobFailed):
                await one
        await asking.until(lambda: engine.lost or engine.health().state == "ready")
        assert engine.lost is None
        assert (await said(engine, asked))[2] == 3

    with_engine(engine, work())


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineUnusable, match="is no directory"):
        asyncio.run(SeparateEngine(choices(tmp_path / "nothing")).start())


def test_what_no_check_had_looked_at_is_one_sentence_too(checkpoint: Path, tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["hidden_act"] = "os.system"
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineUnusable) as unusable:
        asyncio.run(SeparateEngine(choices(model)).start())
    assert str(unusable.value).startswith(f"{model} cannot be loaded: ")
    assert str(unusable.value).endswith("; next: casemate release verify")


def test_an_engine_that_dies_while_it_loads_is_said(checkpoint: Path) -> None:
    engine = SeparateEngine(choices(checkpoint))

    async def work() -> None:
        starting = asyncio.create_task(engine.start())
        await asking.until(lambda: engine._process)
        os.kill(child(engine), signal.SIGKILL)
        with pytest.raises(EngineUnusable, match=f"killed by signal 9 while it loaded {checkpoint}; next: docker logs"):
            await starting

    asyncio.run(work())


def test_it_ends_with_the_service(checkpoint: Path) -> None:
    """Even with one that is killed, and has no chance to say so."""
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from service.vision.engine.choices import Choices\n"
        "from service.vision.engine.separate import SeparateEngine\n"
        f"engine = SeparateEngine({choices(checkpoint)!r})\n"
        "async def main():\n"
        "    await engine.start(); print(engine._process.pid, flush=True); await asyncio.sleep(600)\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
        "asyncio.run(main())\n"
    ).replace("PosixPath", "Path")
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as service:
        assert service.stdout
        pid = int(service.stdout.readline())
        service.kill()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_service_outlives_its_engine_and_every_request_has_its_line(checkpoint: Path, tmp_path: Path) -> None:
    engine = SeparateEngine(choices(checkpoint))
    running = Running(tmp_path, engine, model=checkpoint).start()
    try:
        ready_by(running)
        asked = running.send(
            body := b'{"model": "micro", "max_tokens": 64, "messages": [{"role": "user", "content": "a"}]}'
        )
        assert body
        asked.settimeout(60)
        asked.recv(1 << 16)
        asked.close()
        freeze(child(engine))
        waiting = running.send(body)
        until(lambda: running.serving.admission.inside > 0)
        os.kill(child(engine), signal.SIGKILL)
        waiting.settimeout(60)
        assert waiting.recv(1 << 16).split()[1] in (b"500", b"503")
        waiting.close()
        ready_by(running)
        assert running.ask(messages=[{"role": "user", "content": "a"}], max_tokens=2).status_code == 200
        lines = running.lines(3)
        assert [line["status"] for line in lines][::2] == [200, 200]
        assert lines[1]["reason"] == "engine_failed"
    finally:
        running.stop()


def ready_by(running: Running, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while running.client.get("/readyz").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
