"""Which documents stay: signals are measured, rules judge them, policies say which rules a source must pass."""
