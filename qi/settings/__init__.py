"""Settings schemas: any class can own one.

An addon's `settings.py` defines a Pydantic model named `Settings` whose every field has a default::

    class Settings(SettingsModel):
        review: bool = setting(True, title="Make a review movie")
        crf: int = setting(18, title="Its quality", ge=0, le=51, enabled_if={"review": True})
        look: Colour = setting("#ff8800", title="Colour of the burn-in", scopes=("bundle", "project"))

What a field can carry: :mod:`qi.settings.fields`; values besides Pydantic's: :mod:`qi.settings.types`; what is checked
when a schema is loaded, and its JSON Schema: :mod:`qi.settings.schema`; how older overrides are migrated:
:mod:`qi.settings.overrides`; which of them hold: :mod:`qi.settings.fitting`. Any thread.
"""

from qi.contracts.settings import Option
from qi.settings.fields import SCOPES, SettingsModel, setting
from qi.settings.options import OptionsAsked
from qi.settings.overrides import Overrides
from qi.settings.schema import check, defaults_of, json_schema, load_schema, require_sound, rules_of, secret_paths
from qi.settings.types import Colour, Named, PlatformPath, Secret, SecretName, TemplateText

__all__ = [
    "SCOPES",
    "Colour",
    "Named",
    "Option",
    "OptionsAsked",
    "Overrides",
    "PlatformPath",
    "Secret",
    "SecretName",
    "SettingsModel",
    "TemplateText",
    "check",
    "defaults_of",
    "json_schema",
    "load_schema",
    "require_sound",
    "rules_of",
    "secret_paths",
    "setting",
]
