from qi.testing.fixtures import frames, plugins, qi, shot, studio

__all__ = ["frames", "plugins", "qi", "shot", "studio"]
