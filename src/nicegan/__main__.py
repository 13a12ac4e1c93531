"""python -m nicegan, for launchers such as torchrun."""

import os
import sys

from nicegan.cli import main

if __name__ == "__main__":
    try:
        main()
    except SystemExit as ended:
        if "LOCAL_RANK" not in os.environ or not isinstance(ended.code, int):
            raise
        # A thread of gloo may still run when C++ takes its objects down, and then aborts the process: 1 in 20 did.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code)
