"""Qi's SDK: what actors, addons and sessions are written with."""
