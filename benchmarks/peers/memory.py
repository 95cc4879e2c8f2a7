"""Peak memory of a peer's process; beside the peers' scripts, which run without this project."""

import re
import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Of this process alone: on Linux rusage starts at the peak of whoever started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
