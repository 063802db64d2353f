"""Puts the wheels of a folder that this Python lacks into another folder, without pip: unpack.py WHEELS TARGET

Prints what it put there. A wheel for another Python or machine is left alone.
"""

import importlib.metadata
import sys
import zipfile
from pathlib import Path

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename


def main(wheels: Path, target: Path) -> None:
    fitting, put = set(sys_tags()), []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        if tags & fitting and not is_there(name):
            with zipfile.ZipFile(wheel) as file:
                file.extractall(target)
            put.append(f"{name} {version}")
    print(f"unpacked: {', '.join(put) or 'nothing, as all is there'}", flush=True)


def is_there(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
