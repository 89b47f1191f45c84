"""The services: one file (or folder) an actor. None of them imports another."""
