"""python -m torch.distributed.run --standalone --nproc-per-node N -m antimatter.train JOB.json"""

import json
import sys
from pathlib import Path

from antimatter.errors import AntiMatterError
from antimatter.model.files import write_first
from antimatter.train.job import read_job
from antimatter.train.worker import ERROR, work_on


def main() -> int:
    """Train the job named on the command line; returns the exit code. An AntiMatterError is left in error.json."""
    if len(sys.argv) != 2:
        print(f"usage: {__doc__}", file=sys.stderr)
        return 2
    job = read_job(sys.argv[1])
    try:
        return work_on(job)
    except AntiMatterError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        content = {"type": type(error).__name__, "message": str(error)}
        write_first(Path(job.work) / ERROR, json.dumps(content, indent=2) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
