"""Facts coming in: mappings, files, time, the ledger, samples.

- ``read.read_data``: a folder, a file, a glob or a DuckDB file to a ``dataset.Dataset``, every row accounted for
- ``mapping.read_mapping``: what a company's own tables mean; ``canonical``: the tables that need no mapping
- ``time.normalise_times``: a column of times, however written, as instants in UTC with what was assumed
- ``ledger.describe_ledger``: where every row went, in words
"""
