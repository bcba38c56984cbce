"""The network: from tables to networkx, what a picture can hold, and where to draw it."""
