"""Pivots by hand: widgets over frames, each of which hands back the code it stands for."""
