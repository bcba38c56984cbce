"""What happened when: building a timeline, its quality, sessions, synchrony."""
