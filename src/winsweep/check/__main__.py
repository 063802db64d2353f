"""Looks at models for a launcher: reads {key: {base: DIRECTORY, said: ModelUse in plain types}}, writes {key: {facts,
findings}} as one line.
"""

import json
import os
import sys


def main() -> None:
    out = os.fdopen(os.dup(1), "w")  # libraries that print must not speak here
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    from winsweep.check import model
    from winsweep.check.early import as_plain

    found = {}
    for key, of in asked.items():
        looked = model.look(of["base"], None, of["said"], None)
        found[key] = {"facts": dict(looked.facts), "findings": as_plain(looked.findings)}
    print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
