"""python -m torch.distributed.run --standalone --nproc-per-node N -m antimatter.train JOB.json"""

import sys

from antimatter.errors import AntiMatterError
from antimatter.train.job import read_job
from antimatter.train.worker import work_on


def main() -> int:
    """Train the job named on the command line; returns the exit code."""
    if len(sys.argv) != 2:
        print(f"usage: {__doc__}", file=sys.stderr)
        return 2
    try:
        return work_on(read_job(sys.argv[1]))
    except AntiMatterError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
