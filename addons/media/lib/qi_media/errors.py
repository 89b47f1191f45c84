"""The error an artist reads. Any thread."""

from __future__ import annotations


class MediaError(ValueError):
    """Something an artist can put right: what is wrong, why it matters, and what to do."""

    def __init__(self, title: str, message: str, remedy: str) -> None:
        super().__init__(f"{title}. {message} {remedy}")
        self.title = title
        """A few words."""
        self.message = message
        """What is wrong, where, and why it matters."""
        self.remedy = remedy
        """What to do."""
