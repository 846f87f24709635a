"""What engineers run on the repository itself; not part of what is installed in a home."""
