"""Edits that make text readable: unicode repair, whitespace. Cleaning never judges."""
