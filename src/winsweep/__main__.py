"""`python -m winsweep` is the command winsweep."""

import sys

from winsweep.cli import main

sys.exit(main())
