"""Runs a cell's code in the page, as doctest would at the desk: each statement, and the value of an expression."""
import ast
import linecache
import os
import re
import sys
import traceback
import warnings
from importlib.util import find_spec

import tqdm

tqdm.tqdm.monitor_interval = 0                      # a browser's Python has no threads
warnings.simplefilter("error", RuntimeWarning)
names = {"__name__": "__main__"}
TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
count = 0


def run(code, exercise):
    """(whether it ran, the error's text or a note, [(file, type, bytes) of pictures that it wrote])."""
    global count
    count += 1
    file, before = f"<cell {count}>", pictures()
    space = dict(names) if exercise else names      # an answer does not change what later cells see
    if re.search(r"\bplots\.|matplotlib", code) and not find_spec("matplotlib"):
        return True, "Not run here: Matplotlib draws this, which the page does not load; the text has the picture.", []
    linecache.cache[file] = (len(code), None, code.splitlines(True), file)
    try:
        tree = ast.parse(code, file)
        for statement in tree.body:
            exec(compile(ast.Interactive([statement]), file, "single"), space)
        if exercise:
            from tinyae import tour
            name = tour.exercise(exercise).name
            if name not in space:
                raise NameError(f"this cell must define {name}: that is what Check looks at")
            right, text = tour.verdict(exercise, space[name])
            print(text)
            if not right:
                return False, "", []
    except BaseException as error:
        return False, told(error, file), []
    finally:
        sys.stdout.flush()
    after = pictures()
    return True, "", [(name, TYPES[name[-4:]], open(name, "rb").read()) for name in after
                      if after[name] != before.get(name)]


def told(error, file):
    """A refusal's own lines; of any other error the lines of the cell, and the error."""
    from tinyae.errors import Refusal
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<cell")]
    where = "" if isinstance(error, Refusal | SyntaxError) else "".join(
        f"line {frame.lineno}: {frame.line}\n" for frame in frames)
    return where + "".join(traceback.format_exception_only(error)).replace("tinyae.errors.", "")


def pictures():
    return {name: os.stat(name).st_mtime_ns for name in os.listdir() if name[-4:] in TYPES}
