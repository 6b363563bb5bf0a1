"""A hollow GPU: CuPy's own code without a device. As a plugin: pytest -p hollow.

CuPy's Cython modules fetch each other's C functions from `__pyx_capi__`. `install` replaces those that call the CUDA
runtime and driver by the functions of driver.c, and cuBLAS by a library of stubs, of which only gemm computes. Arrays
lie in the host's memory. NVRTC compiles every kernel, and no kernel runs. So CuPy checks every call and a launch takes
its usual time on the host, but the values are garbage. Kernels that CuPy ships compiled (sort, some reductions, random
numbers) need a device: some raise an error, some do nothing. It needs gcc and the packages that PACKAGES names.
"""
from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

PACKAGES = {"cupy-cuda13x": "14.2.0", "nvidia-cuda-nvrtc": "13.0.88", "nvidia-cuda-runtime": "13.0.96",
            "nvidia-cuda-cccl": "13.0.85"}

RUNTIME = {
    "getDevice": "zero", "getDeviceCount": "one", "setDevice": "none_i", "deviceGetAttribute": "attribute",
    "deviceSynchronize": "wait_", "malloc": "allocate", "free": "release", "hostAlloc": "allocate_host",
    "freeHost": "release", "memGetInfo": "memory", "memcpy": "copy", "memcpyAsync": "copy_later", "memset": "fill",
    "memsetAsync": "fill_later", "eventCreate": "new_", "eventCreateWithFlags": "new_u", "eventDestroy": "none_p",
    "eventQuery": "none_p", "eventRecord": "none_pp", "eventSynchronize": "wait_p", "eventElapsedTime": "no_time",
    "streamCreate": "new_", "streamCreateWithFlags": "new_u", "streamCreateWithPriority": "new_ui",
    "streamDestroy": "none_p", "streamGetFlags": "one_u", "streamGetPriority": "zero_p", "streamQuery": "none_p",
    "streamSynchronize": "wait_p", "streamWaitEvent": "none_ppo", "streamIsCapturing": "is_capturing",
    "streamBeginCapture": "begin_capture", "streamEndCapture": "end_capture", "graphInstantiate": "new_p",
    "graphLaunch": "launch_graph", "graphDestroy": "none_p", "graphExecDestroy": "none_p",
    "pointerGetMemoryType": "zero_p", "runtimeGetVersion": "version", "driverGetVersion": "version",
    "_ensure_context": "none"}
DRIVER = {
    "ctxGetCurrent": "new_", "launchKernel": "launch", "moduleLoadData": "new_o", "moduleLoad": "new_o",
    "moduleUnload": "none_p", "moduleGetFunction": "get_function", "funcGetAttribute": "zero_ip",
    "funcSetAttribute": "none_pii", "occupancyMaxPotentialBlockSize": "occupancy",
    "occupancyMaxActiveBlocksPerMultiprocessor": "blocks"}

GEMM = """
int {name}(void* h, int ta, int tb, int m, int n, int k, const {real}* alpha, const {real}* A, int lda, const {real}* B,
           int ldb, const {real}* beta, {real}* C, int ldc) {{
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {{
      double s = 0;
      for (long l = 0; l < k; l++)
        s += (double)(ta ? A[l + (long)i * lda] : A[i + l * lda]) * (tb ? B[j + l * ldb] : B[l + (long)j * ldb]);
      C[i + (long)j * ldc] = *alpha * s;
    }}
  return 0;
}}
"""


def missing() -> str:
    """Why there can be no hollow GPU here; "" if there can."""
    for package, version in PACKAGES.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            wanted = " ".join(f"{p}=={v}" for p, v in PACKAGES.items())
            return f"{package} not installed; pip install --no-deps {wanted}"
        if found != version:
            return f"{package} is {found}, not {version}, whose C functions the driver replaces"
    import cupy
    if cupy.is_available():
        return "there is a GPU: the tests for CuPy run on it"
    return "" if shutil.which("gcc") else "no gcc"


def build(folder: Path, products: bool = True) -> None:
    """Compile the driver and the stubs of cuBLAS into the folder, which LD_LIBRARY_PATH has to name.

    products: whether gemm computes, which takes its time.
    """
    package = Path(find_spec("cupy_backends").origin or "").parent / "cuda" / "libs"
    asked = set(re.findall(rb"\bcublas(?:Lt)?[A-Z]\w+", b"".join(p.read_bytes() for p in package.glob("cublas*.so"))))
    gemms = {"cublasSgemm_v2": "float", "cublasDgemm_v2": "double"} if products else {}
    names = {name.decode() for name in asked} | {"cublasSetWorkspace_v2"}
    stubs = "".join(f"int {name}() {{ return 0; }}\n" for name in sorted(names - gemms.keys()))
    (folder / "cublas.c").write_text(stubs + "".join(GEMM.format(name=name, real=real) for name, real in gemms.items()))
    include = sysconfig.get_paths()["include"]
    gcc = ["gcc", "-O2", "-w", "-shared", "-fPIC"]
    subprocess.run([*gcc, f"-I{include}", HERE / "driver.c", "-o", folder / "driver.so"], check=True)
    for name in ("libcublas.so.13", "libcublasLt.so.13"):
        (folder / "versions").write_text(f"{name} {{ global: *; }};")
        script = f"-Wl,-soname,{name},--version-script={folder / 'versions'}"
        subprocess.run([*gcc, script, folder / "cublas.c", "-o", folder / name], check=True)


def install(folder: Path) -> ctypes.PyDLL:
    """Put what `build` has compiled in the place of CUDA, before the first import of cupy."""
    library = ctypes.PyDLL(str(folder / "driver.so"))
    ctypes.CDLL(str(folder / "libcublas.so.13"), mode=ctypes.RTLD_GLOBAL)
    import cupy_backends.cuda.api.driver as driver
    import cupy_backends.cuda.api.runtime as runtime
    for module, table in ((runtime, RUNTIME), (driver, DRIVER)):
        for theirs, ours in table.items():
            _replace(module.__pyx_capi__, theirs, ctypes.cast(getattr(library, ours), ctypes.c_void_p).value)
    # What Python calls, and not C:
    runtime.getDevice, runtime.getDeviceCount = lambda: 0, lambda: 1
    runtime.runtimeGetVersion = runtime.driverGetVersion = lambda: 13000
    runtime.memGetInfo = lambda: (80_000_000_000, 85_000_000_000)
    runtime.deviceGetAttribute = lambda which, device: library.attribute(which, device, 0)
    runtime.getDeviceProperties = lambda device: {"name": b"hollow"}
    return library


def number(library: ctypes.PyDLL, name: str) -> int:
    """launches, copies or waits so far."""
    return ctypes.c_long.in_dll(library, name).value


_kept: list[Any] = []


def _replace(functions: dict[str, Any], name: str, address: int | None) -> None:
    """A capsule with the signature of the old one, which its name holds, and another address."""
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_New.restype = ctypes.py_object
    python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    signature = python.PyCapsule_GetName(functions[name])
    _kept.append(signature)             # the capsule keeps only a pointer
    functions[name] = python.PyCapsule_New(address, signature, None)


def pytest_configure() -> None:
    install(Path(os.environ["HOLLOW"]))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
