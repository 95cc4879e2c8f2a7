"""Signals: the quantities that rules judge, measured for every document, kept and removed alike.

characters, words, lines, sentences, repetition     kernels that count, one subject each
measure                                             counts made into the columns of data/filtered/signals
"""

from antimatter.filter.signals.measure import ENTROPY, NUMBERS, RATIOS, TEXT_SIGNALS, measure, measure_text

__all__ = ["ENTROPY", "NUMBERS", "RATIOS", "TEXT_SIGNALS", "measure", "measure_text"]
