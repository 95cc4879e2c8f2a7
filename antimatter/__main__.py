"""python -m antimatter ..."""

import sys

from antimatter.cli import main

if __name__ == "__main__":
    sys.exit(main())
