"""Facts coming in: mappings, files, time, the ledger, samples."""
