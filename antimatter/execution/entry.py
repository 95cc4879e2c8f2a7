"""How a stage script ends: quietly, with a message for the user, or with the traceback of a defect."""

import os
import signal
import sys
from collections.abc import Callable

from antimatter.errors import AntiMatterError

INTERRUPTED = 130


def run(main: Callable[[], None]) -> None:
    """Call main; exit 1 with the message of an AntiMatterError, 130 after Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted: what is finished is kept, the next start goes on from there", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except AntiMatterError as error:
        if os.environ.get("ANTIMATTER_TRACEBACK") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
