// The CUDA runtime and driver as CuPy's Cython modules call them. They accept every call and compute nothing.
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

long launches = 0, copies = 0, waits = 0;
static int capturing = 0;

#define NONE Py_RETURN_NONE

// ---- functions that do nothing, named by their arguments: i an int, p a pointer, u an unsigned, o an object. The last
// argument, skip, is Cython's own: how many optional arguments were given.
PyObject* none_i(int x, int skip) { NONE; }
PyObject* none_p(intptr_t x, int skip) { NONE; }
PyObject* none_pp(intptr_t x, intptr_t y, int skip) { NONE; }
PyObject* none_ppo(intptr_t x, intptr_t y, int skip, void* more) { NONE; }
PyObject* none_pii(intptr_t x, int y, int z, int skip) { NONE; }
PyObject* none(void) { NONE; }
int zero(int skip) { return 0; }
int zero_p(intptr_t x, int skip) { return 0; }
int zero_ip(int x, intptr_t y, int skip) { return 0; }
int one(int skip) { return 1; }
float no_time(intptr_t x, intptr_t y, int skip) { return 0; }
intptr_t new_(int skip) { return 4711; }               // 1 and 2 are streams that CUDA has from the start
intptr_t new_u(unsigned flags, int skip) { return 4711; }
intptr_t new_ui(unsigned flags, int priority, int skip) { return 4711; }
intptr_t new_p(intptr_t x, int skip) { return 1; }
intptr_t new_o(PyObject* x, int skip) { return 1; }
unsigned one_u(intptr_t x, int skip) { return 1; }
int version(int skip) { return 13000; }
PyObject* wait_(int skip) { waits++; NONE; }
PyObject* wait_p(intptr_t x, int skip) { waits++; NONE; }

// ---- memory, and properties of the device
int attribute(int which, int device, int skip) {        // those of an H100 that CuPy asks for
  switch (which) {
    case 1: case 2: case 3: return 1024;                // threads of a block
    case 4: return 64;
    case 5: return 2147483647;                          // blocks of a grid
    case 6: case 7: return 65535;
    case 8: return 49152;                               // shared memory of a block
    case 10: return 32;                                 // a warp
    case 12: return 65536;                              // registers
    case 16: return 132;                                // multiprocessors
    case 39: return 2048;
    case 75: return 9;                                  // compute capability 9.0
    case 97: return 232448;
    case 115: return 1;                                 // memory pools
    default: return 0;
  }
}
intptr_t allocate(size_t n, int skip) {
  void* p = 0;
  if (posix_memalign(&p, 512, n ? n : 512)) return 0;
  memset(p, 0, n);
  return (intptr_t)p;
}
PyObject* release(intptr_t p, int skip) { free((void*)p); NONE; }
intptr_t allocate_host(size_t n, unsigned flags, int skip) { return (intptr_t)calloc(1, n ? n : 1); }
PyObject* memory(int skip) { return Py_BuildValue("nn", (Py_ssize_t)80000000000, (Py_ssize_t)85000000000); }
PyObject* copy(intptr_t to, intptr_t from, size_t n, int kind, int skip) {
  copies++;
  memcpy((void*)to, (void*)from, n);
  NONE;
}
PyObject* copy_later(intptr_t to, intptr_t from, size_t n, int kind, intptr_t stream, int skip) {
  return copy(to, from, n, kind, skip);
}
PyObject* fill(intptr_t to, int value, size_t n, int skip) { NONE; }
PyObject* fill_later(intptr_t to, int value, size_t n, intptr_t stream, int skip) { NONE; }

// ---- kernels and graphs
PyObject* launch(intptr_t f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                 unsigned shared, intptr_t stream, intptr_t arguments, intptr_t extra, int skip) {
  launches++;
  NONE;
}
PyObject* occupancy(intptr_t f, size_t shared, int limit, int skip) { return Py_BuildValue("ii", 264, 1024); }
int blocks(intptr_t f, int threads, size_t shared, int skip) { return 2; }
intptr_t get_function(intptr_t module, PyObject* name, int skip) { return 1; }
PyObject* begin_capture(intptr_t stream, int skip, void* mode) { capturing = 1; NONE; }
intptr_t end_capture(intptr_t stream, int skip) { capturing = 0; return 1; }
int is_capturing(intptr_t stream, int skip) { return capturing; }
PyObject* launch_graph(intptr_t graph, intptr_t stream, int skip) { launches++; NONE; }
