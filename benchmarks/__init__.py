"""Measurements, side by side in one run on one machine: ratios travel, absolute figures do not."""
