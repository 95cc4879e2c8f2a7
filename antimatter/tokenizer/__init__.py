"""Text to ids and back: our own BPE, trained on the corpus, or a tokenizer that exists; all behind `interface`."""
