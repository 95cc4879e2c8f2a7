"""Pre-training: tokens to weights, on one core or on many GPUs, resumable to the bit.

`launch` is what a stage calls; `python -m torch.distributed.run ... -m antimatter.train JOB.json` is what it starts.
One subject a file, in the order in which data flows:

    tokens          the files of data/tokens, by position
    data            which samples a step reads, by arithmetic; lengths: batches of texts of different lengths
    loader          the rows of a step, read ahead
    loss            what a model pays for its targets; balance: weights of rare targets
    step            one optimizer step; with loss_scale, optimizer, muon
    schedule        the learning rate; how many steps a budget makes
    guard           is this step sound (robust: medians); interventions: where to go back to; recovery: on disk
    training        all that a run computes with and a checkpoint holds
    loop            step, look, judge; log, validate, save; go back
    validation      loss on held-out text; frequency: classes of common and rare tokens
    checkpoint      what a run resumes from; writer: saving while training goes on
    journal         logs and records; post_mortem: of a run that was given up; result: what a finished one leaves

Where it runs: job, device, peaks, fit (micro-batch), compile_check, parallel (DDP, FSDP), shards, peers, speed.
Who starts and watches it: worker, launch, watch.
"""

from antimatter.train.job import Job
from antimatter.train.launch import Interrupted, Outcome, TrainingFailed, launch

__all__ = ["Interrupted", "Job", "Outcome", "TrainingFailed", "launch"]
