"""How work spreads over processes, resumes after a kill, and stays deterministic."""
