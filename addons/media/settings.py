"""What a studio can tune of the media addon."""

from __future__ import annotations

from qi.settings import SettingsModel, setting


class Settings(SettingsModel):
    """The same fields as `qi_media.settings.MediaSettings`, which the plugins read."""

    fps: float = setting(24.0, gt=0, le=1000, title="Frames a second, where the project names none")
    thumbnail_size: int = setting(512, ge=16, le=8192, title="Longer side of a thumbnail, pixels")
    review: bool = setting(True, title="Make a review movie of a sequence")
    review_size: int = setting(1920, ge=16, le=8192, title="Longer side of the review movie, pixels")
    review_crf: int = setting(18, ge=0, le=51, title="Quality of the review movie: 0 is lossless, 51 is poor")
    colour_space: str = setting("", title="Colour space of the frames; empty believes the files")
    colour_config: str = setting("ocio://default", title="OpenColorIO configuration")
