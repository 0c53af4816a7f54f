"""Whether anything can be compiled here, asked before minutes are spent on loading; and where it is done."""

from __future__ import annotations

import ctypes
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.vision.engine.protocol import EngineUnusable

SETTING = "CASEMATE_VISION_COMPILE"
_ONE = """
#include <Python.h>
#include <omp.h>
extern "C" int one() { return PY_MAJOR_VERSION + omp_get_max_threads(); }
"""


def require(device: str) -> None:
    """Have a library compiled and loaded that needs what compiled models need. Raises EngineUnusable."""
    if device != "cpu":
        recorded = "where steps are recorded as CUDA graphs instead"
        raise EngineUnusable(
            f"{SETTING} is for CASEMATE_VISION_DEVICE=cpu; got {device}, {recorded}; next: unset {SETTING}"
        )
    compiler = _compiler()
    try:
        with tempfile.TemporaryDirectory(prefix="casemate-") as folder:
            source, library = Path(folder, "one.cpp"), Path(folder, "one.so")
            source.write_text(_ONE)
            headers = f"-I{sysconfig.get_path('include')}"
            command = [compiler, "-shared", "-fPIC", "-fopenmp", headers, "-o", str(library), str(source)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            ctypes.CDLL(str(library))
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or error.stderr.strip().splitlines()
        said = (lines or [f"it ended with {error.returncode}"])[0][:200]
        following = f"next: install what it lacks (python3-dev, libgomp), or unset {SETTING}"
        raise EngineUnusable(f"{SETTING}: {compiler} does not compile: {said}; {following}") from None
    except OSError as error:  # No directory can be written, or nothing may be run from it.
        raise EngineUnusable(
            f"{SETTING}: a library cannot be made in a temporary directory and run from there: {error}; "
            f"next: TMPDIR=DIRECTORY, one that can be written and is not mounted noexec, or unset {SETTING}"
        ) from None


def _compiler() -> str:
    from torch._inductor import cpp_builder, exc

    try:
        return cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        raise EngineUnusable(
            f"{SETTING} needs a C++ compiler, and neither CXX nor PATH has one; next: install g++, or unset {SETTING}"
        ) from None


@contextmanager
def workshop() -> Iterator[None]:
    """Have a compiler's files in a directory that is gone afterwards: what was loaded from it stays loaded.

    It is a new one each time: what lay in one that others may write to would be run as ours.
    """
    from torch._inductor.utils import fresh_cache

    failed: Exception | None = None
    with tempfile.TemporaryDirectory(prefix="casemate-") as folder, fresh_cache(dir=folder, delete=False):
        try:
            yield
        except Exception as error:  # It would say that it keeps the files.
            failed = error
    if failed:
        raise failed
