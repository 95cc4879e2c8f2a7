"""Edits that make text readable, as named steps that count what they did (clean/steps.py). Cleaning never judges."""
