"""How good a model is: loss per source beside what counting alone achieves, and texts to read."""
