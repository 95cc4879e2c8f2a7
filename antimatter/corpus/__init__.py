"""What a document is, how it lies on disk, where removed ones went, and the counts that must balance."""
