"""toolkit: placeholder docstring."""
