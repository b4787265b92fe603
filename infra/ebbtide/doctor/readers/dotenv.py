"""`.env` files: what an application's variables are where nothing else sets them."""

from __future__ import annotations

import re
from typing import Final

from ebbtide.doctor.data import Said
from ebbtide.doctor.files import File

NAMES: Final = (".env", ".env.prod")
"""Of production, in the order in which Symfony reads them: the later one wins. `.local` ones are of one machine."""
_LINE: Final = re.compile(r"(?m)^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<value>.*)$")
_QUOTED: Final = re.compile(r"(?P<quote>['\"])(?P<value>.*?)(?P=quote)")


def read_dotenv(file: File) -> dict[str, Said[str]]:
    """Its variables, each with its line; of two the last one counts."""
    found: dict[str, Said[str]] = {}
    for one in _LINE.finditer(file.text):
        quoted = _QUOTED.match(one["value"])
        value = quoted["value"] if quoted else re.split(r"[ \t]#", one["value"], maxsplit=1)[0].strip()
        found[one["name"]] = Said(value, file.at_character(one.start()))
    return found
