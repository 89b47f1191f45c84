"""What a studio can tune of the media addon."""

from __future__ import annotations

from pydantic import Field

from qi.settings import SettingsModel


class Settings(SettingsModel):
    """The same fields as `qi_media.settings.MediaSettings`, which the plugins read."""

    fps: float = Field(default=24.0, gt=0, le=1000, title="Frames a second, where the project names none")
    thumbnail_size: int = Field(default=512, ge=16, le=8192, title="Longer side of a thumbnail, pixels")
    review: bool = Field(default=True, title="Make a review movie of a sequence")
    review_size: int = Field(default=1920, ge=16, le=8192, title="Longer side of the review movie, pixels")
    review_crf: int = Field(default=18, ge=0, le=51, title="Quality of the review movie: 0 is lossless, 51 is poor")
    colour_space: str = Field(default="", title="Colour space of the frames; empty believes the files")
    colour_config: str = Field(default="ocio://default", title="OpenColorIO configuration")
