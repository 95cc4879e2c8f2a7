"""Our own BPE: trained on the corpus, and the binary tokens that any trainer can map."""
