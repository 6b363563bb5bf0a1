"""A stand-in for CuPy, without a GPU: what CuPy refuses, this refuses, so a test on the CPU fails where a GPU would.

    monkeypatch.setitem(sys.modules, "cupy", cupy_double.cupy)

An array of the double hides a NumPy array that nothing reaches but the double itself. A call passes four gates, then
NumPy computes it: CuPy has that name; its signature takes those arguments (api.json, written by dump_api.py from CuPy
itself); nothing is a host array, and no array stands where CuPy wants Python integers; the ufunc method or keyword is
one that CuPy implements. What costs time on a GPU is counted: `with counting() as n:` n.launches, n.syncs, n.uploads.

Stricter than CuPy: an index out of range raises (CuPy wraps it), a fused function is elementwise and takes no Python
number (CuPy 14.2 computes 1 - x of such an x in float16), a host array is never passed on to NumPy. Not played: the
rounding of CUDA's kernels, the order of atomic additions, memory that runs out.

Streams, memory pools and CUDA graphs are played as far as a training step needs them: see graphs.

Not played either: the copy that CuPy makes of an operand whose memory overlaps the result's, the small kernel that
hands the addresses of a stack of matrices to cuBLAS, memsets. So counts are a little below CuPy's.

Kernels written in CUDA are not run: see by_hand.

Reading order: counts, gates, graphs, arrays, calls, by_hand, module.
"""
from .arrays import DeviceArray
from .calls import product
from .counts import Counts, counting, no_sync
from .module import cupy

__all__ = ["Counts", "DeviceArray", "counting", "cupy", "no_sync", "product"]
