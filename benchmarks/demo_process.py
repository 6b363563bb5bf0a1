"""demo_process: a demo's run as a process of its own, on the tinyae of this clone."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyae.demo import experiments

ROOT = Path(__file__).parents[1]


def run(demo: Path, flags: Sequence[str], folder: Path, cwd: Path | None = None, **environment: str
        ) -> tuple[dict[str, Any] | None, str]:
    """(the result that the demo has written into folder, "") or (None, why it failed)."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run([sys.executable, str(demo), *flags], capture_output=True, errors="replace", cwd=cwd,
                           stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": paths} | environment)
    if ended.returncode == 0 and (folder / "result.json").exists():
        return experiments.read(folder / "result.json"), ""
    without = "" if ended.returncode else ", but no result.json, which this demo may never write"
    return None, f"status {ended.returncode}{without}\n{ended.stderr[-2000:]}".strip()
