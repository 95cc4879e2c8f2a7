"""Pre-training: tokens to weights, on one core or on many GPUs, resumable to the bit.

`launch` is what a stage calls; `python -m torch.distributed.run ... -m antimatter.train JOB.json` is what it starts.
One subject a file, in the order in which a step needs them: tokens, data, loss, optimizer, schedule, loop, validation,
journal, checkpoint, result; around them job, device, peers, worker, launch.
"""

from antimatter.train.job import Job
from antimatter.train.launch import Interrupted, Outcome, TrainingFailed, launch

__all__ = ["Interrupted", "Job", "Outcome", "TrainingFailed", "launch"]
