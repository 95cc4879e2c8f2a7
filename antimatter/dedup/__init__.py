"""The same document twice: shingles -> signatures -> bands propose, exact Jaccard decides, the best copy stays."""
