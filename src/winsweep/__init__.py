"""winsweep. Its packages lie in the Python of `make install`; another Python is told so at the first import."""

import sys
from importlib.util import find_spec

if sys.version_info < (3, 11) or find_spec("psutil") is None:
    raise ModuleNotFoundError(
        # %: an older Python must be able to read this file
        "%s (Python %s) does not have winsweep's packages; legal is Python 3.11 or 3.12 where they are installed; in "  # noqa: UP031
        "the checkout type:  "
        "make install && source .venv/bin/activate" % (sys.executable, sys.version.split()[0])
    )
