"""Our own kernels, compiled in memory: a sealed container has no compiler, and no place to run what one would write.

NVRTC is the CUDA compiler as a library; torch brings it along (NVIDIA, "NVRTC"; "CUDA Python: cuda.bindings").
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

_NUMBERS = Path(__file__).with_name("numbers.cu")
_NUMBER = {torch.bfloat16: 0, torch.float16: 1, torch.float32: 2}

Kernel = Callable[..., None]
"""Called with grid and block, each (x, y), and what the kernel takes: tensors without gaps (None: no address), whole
numbers (int of 32 bits, Long of 64) and fp32 (float). Raises KernelError, OutOfMemoryError.
"""


class KernelError(Exception):
    """What NVRTC or the driver said."""


class Program:
    """A source, with numbers.cu before it, compiled for torch's GPU.

    Raises KernelError, ImportError where the libraries are missing.
    """

    def __init__(self, source: Path, dtype: torch.dtype, defines: Mapping[str, int]) -> None:
        _preload()
        from cuda.bindings import driver

        major, minor = torch.cuda.get_device_capability()
        # Left to itself NVRTC keeps what it compiles below HOME, where others may write, and trusts what lies there.
        options = [f"--gpu-architecture=sm_{major}{minor}", "--std=c++17", "--no-cache"]
        options += [f"-D{name}={value}" for name, value in {"NUMBER": _NUMBER[dtype], **defines}.items()]
        torch.cuda.current_stream().synchronize()  # The driver's calls want torch's context to be this thread's.
        self._driver = driver
        self._module = _done(driver.cuModuleLoadData(_compiled(source, options)))

    def kernel(self, name: str) -> Kernel:
        """One that the source exports as `name`. Raises KernelError."""
        driver, function = self._driver, _done(self._driver.cuModuleGetFunction(self._module, name.encode()))

        def launch(grid: tuple[int, int], block: tuple[int, int], *given: torch.Tensor | int | float | None) -> None:
            stream = driver.CUstream(torch.cuda.current_stream().cuda_stream)
            values, kinds = zip(*map(_argument, given), strict=True)
            _done(driver.cuLaunchKernel(function, *grid, 1, *block, 1, 0, stream, (values, kinds), 0))

        return launch


class Long(int):
    """A whole number of 64 bits; others have 32."""


def _argument(given: torch.Tensor | int | float | None) -> tuple[Any, Any]:
    if given is None:
        return 0, ctypes.c_void_p
    if isinstance(given, torch.Tensor):
        if not given.is_contiguous():
            raise KernelError(f"a tensor of {tuple(given.shape)} has gaps: {given.stride()}")
        return given.data_ptr(), ctypes.c_void_p
    if isinstance(given, float):
        return given, ctypes.c_float
    return int(given), ctypes.c_longlong if isinstance(given, Long) else ctypes.c_int


def _preload() -> None:
    """NVIDIA's search looks at installed packages only, which those on PYTHONPATH, as in our container, are not."""
    found = find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations or ()] if found else []
    for name in ("libnvrtc-builtins.so.*", "libnvrtc.so.*"):  # The first is looked for by the second.
        for library in [library for place in places for library in sorted(place.glob(f"*/lib/{name}"))]:
            ctypes.CDLL(str(library))


def _compiled(source: Path, options: list[str]) -> bytes:
    from cuda.bindings import nvrtc

    code = _NUMBERS.read_bytes() + source.read_bytes()
    program = _done(nvrtc.nvrtcCreateProgram(code, source.name.encode(), 0, [], []))
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    if status:
        said = bytes(_done(nvrtc.nvrtcGetProgramLogSize(program)))
        nvrtc.nvrtcGetProgramLog(program, said)
        raise KernelError(f"{source.name}: {status}: {said.decode(errors='replace').strip(chr(0) + ' ')[:300]}")
    # Filled by the library. A literal would be a constant that all of Python shares.
    cubin = bytes(_done(nvrtc.nvrtcGetCUBINSize(program)))
    _done(nvrtc.nvrtcGetCUBIN(program, cubin))
    nvrtc.nvrtcDestroyProgram(program)
    return cubin


def _done(answer: tuple[Any, ...]) -> Any:
    """What a call gave, beside its status."""
    status, *rest = answer
    if status:
        what = str(status)
        raise torch.OutOfMemoryError(what) if "OUT_OF_MEMORY" in what else KernelError(what)
    return rest[0] if rest else None
