"""What pdl keeps on disk: part files, published files, and the ledger that knows of every entry."""
