"""One scripted service a test, and one real engine for all of them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from service.vision.engine.choices import Choices
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision import tiny
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("service"), ScriptedEngine()).start()
    yield running
    running.stop()


@pytest.fixture
def service(started: Running) -> Running:
    """Running already, its engine as new, its audit log so far forgotten."""
    vars(started.engine).update(vars(ScriptedEngine()))
    started.forget()
    return started


@pytest.fixture
def engine(service: Running) -> ScriptedEngine:
    """The engine behind `service`."""
    assert isinstance(service.engine, ScriptedEngine)
    return service.engine


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("tiny"))


def choices(path: Path) -> Choices:
    limits = {"max_context": 512, "max_new_tokens": 64, "max_pixels": 1_300_000}
    return Choices(path, "cpu", "fp32", **limits, batch=4, queue_tokens=10_000, compile=False)


@pytest.fixture(scope="session")
def real(checkpoint: Path) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(choices(checkpoint))
    asyncio.run(engine.start())
    yield engine
    asyncio.run(engine.stop())
