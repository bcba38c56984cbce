"""The facts: table contracts, the case and its findings, confidence, provenance."""
