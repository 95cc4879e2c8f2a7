"""Parquet to binary: documents become tokens that any trainer can map, split into training and validation."""
