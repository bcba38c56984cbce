"""Papermill: run a template privately, read its cells, publish one offline page with its tables and its manifest."""
