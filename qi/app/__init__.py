"""The composition root: launch config, start and stop order, CLI."""
