"""Format readers: decompressed bytes of one file or archive member become documents; one module a format.

    read(stream, origin, source) -> Draft (a document) | Broken (bytes that cannot be one) | Oversized (not read)

A reader never raises for a bad record. A stream that is itself damaged raises DamagedStream, which passes through: the
documents read before it stay.
"""
