"""demo · report: the command that writes a run's report.html again, and event files for TensorBoard.

    python -m tinyae.demo.report runs/vae-1
    python -m tinyae.demo.report runs/vae-1 --tensorboard       # needs: pip install '.[tensorboard]'
"""
from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadFile
from ..train.history import read_csv
from . import cli, run_page


def tensorboard(run: Path) -> None:
    """Write run's losses as a TensorBoard event file into its folder, if tensorboardX is installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise BadFile("tensorboardX is not installed", expected="the package tensorboardX", got=str(error),
                      fix="pip install '.[tensorboard]'") from error
    with SummaryWriter(str(run)) as writer:
        for row in read_csv(run / "history.csv"):
            for name, value in row.items():
                if name.startswith(("train_", "test_")):
                    side, _, term = name.partition("_")
                    writer.add_scalar("/".join(filter(None, [row["phase"], term, side])), value, row["epoch"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tinyae.demo.report", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument("--tensorboard", action="store_true", help="also write an event file for TensorBoard")
    given = parser.parse_args()

    def run() -> None:
        print(run_page.write(given.run))
        if given.tensorboard:
            tensorboard(given.run)
    cli.main(run)


if __name__ == "__main__":
    main()
