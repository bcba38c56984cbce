"""Pictures: charts and blocks of a report, through one escape gate. A view reads a table and computes nothing new."""
