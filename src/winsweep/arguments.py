"""Arguments that commands share, so that each is called and explained alike everywhere."""

import argparse
from pathlib import Path

from winsweep import paths


def study(parser: argparse.ArgumentParser, says: str = "the study, such as launch/sweeps/demo.yaml") -> None:
    parser.add_argument("study", type=paths.argument, metavar="STUDY.yaml", help=says)


def store(parser: argparse.ArgumentParser, says: str = "where results are kept (default: runs)") -> None:
    parser.add_argument("--store", metavar="DIR", type=paths.argument, default=Path("runs"), help=says)
