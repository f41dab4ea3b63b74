from dataclasses import dataclass
from typing import Annotated

from tidemill_sdk import Doc, filter


@dataclass
class Settings:
    text: Annotated[str, Doc("What a line must have in it.")] = "error"

    def __post_init__(self) -> None:
        self.wanted = self.text.encode()


@filter
def plugin(settings: Settings, value: bytes) -> bool:
    """Keeps the records whose value has a text in it."""
    return settings.wanted in value
