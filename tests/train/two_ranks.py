"""Run by torchrun in test_launch.py: take the gradients of one step on every rank and leave them as files."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from antimatter.train.job import placed, read_job
from antimatter.train.peers import Peers
from antimatter.train.tokens import open_tokens
from antimatter.train.training import Training

job, peers = read_job(sys.argv[1]), Peers()
peers.connect("cpu")
torch.set_num_threads(1)
tokens = open_tokens(job.tokens)
place, config = placed(job, tokens.vocabulary_size, None, peers.world, print)
training = Training(job, config, place, tokens, peers, print)
for step in (1, 2):  # the second accumulation goes through buckets that DDP has rearranged after the first
    training.optimizer.zero_grad()
    training.stepper.forward_backward(step, training.cursor(step), None, False)
taken = {name: parameter.grad.clone() for name, parameter in training.model.named_parameters()}
training.loader.close()
save_file(taken, Path(job.work) / f"gradients-{peers.rank}.safetensors")
peers.leave()
