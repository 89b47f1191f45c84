"""What the addon `local` brings: a tracker in files."""
