"""demo · report: the command that writes a run's report.html again, and event files for TensorBoard.

    python -m tinyae.demo.report runs/vae-1
    python -m tinyae.demo.report runs/vae-1 --tensorboard       # needs: pip install '.[tensorboard]'
    tensorboard --logdir runs                                   # all runs in one window
"""
from __future__ import annotations

import argparse
from pathlib import Path

from ..console import printable
from ..errors import BadFile
from . import cli, run_page


def tensorboard(run: Path) -> Path:
    """Write run's losses as event files into run/tensorboard/train and test, one chart for each phase and term.

    The files of an earlier call are replaced. BadFile: tensorboardX is not installed, or history.csv is damaged.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise BadFile("no event files without tensorboardX", expected="the package tensorboardX", got=str(error),
                      fix="pip install '.[tensorboard]'") from error
    rows = run_page.read(run / "history.csv", run_page.rows_in)
    for side in ("train", "test"):
        folder = run / "tensorboard" / side
        for earlier in folder.glob("events.out.tfevents.*"):        # else TensorBoard draws each point twice
            earlier.unlink()
        with SummaryWriter(str(folder)) as writer:
            for row in rows:
                for name in row:
                    if name.startswith(f"{side}_"):
                        chart = "/".join(filter(None, [row["phase"], name.removeprefix(f"{side}_")]))
                        writer.add_scalar(chart, row[name], row["epoch"])
    return run / "tensorboard"


def main() -> None:
    parser = cli.Parser(prog="python -m tinyae.demo.report", description=__doc__, allow_abbrev=False,
                        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument("--tensorboard", action="store_true", help="also write event files into RUN/tensorboard")

    def run() -> None:
        given = parser.parse_args()
        print(printable(str(run_page.write(given.run))))
        if given.tensorboard:
            print(printable(str(tensorboard(given.run))))
    cli.main(run)


if __name__ == "__main__":
    main()
