"""The filter study: what rules remove, what other rules would, and which documents lie next to a threshold.

study           all shards of data/filtered/signals     source          the numbers of one source
trial           settings with other rules               borderline      documents beside a threshold
distribution    histograms and quantiles

Nothing of it belongs to the stage: it reads what the stage left.
"""
