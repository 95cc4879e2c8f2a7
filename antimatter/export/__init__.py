"""Models of ours in the forms of other programs."""
