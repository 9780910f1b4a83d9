"""What a message adds about a name that is no file: models of a hub, rows without labels.

In: a name. Out: words.
"""

from __future__ import annotations

import re
from pathlib import Path

HUB = re.compile(r"hf[-_]hub:|hf://|[\w.-]+/[\w.-]+$")  # names that a hub of models has
NOT_FETCHED = "models of a hub are not fetched; download it first"

LABELS = "label them: a table with the columns image and product, or folders PRODUCT/street and PRODUCT/shop"


def hub_hint(name: str | Path) -> str:
    """What to add to a message about a model that is not there, if its name looks like one of a hub.

    >>> hub_hint("hf-hub:timm/resnet50"), hub_hint("nobody/has-this"), hub_hint("model")
    ('; models of a hub are not fetched; download it first', '; models of a hub are not fetched; download it first', '')
    """
    text = str(name)
    inside = Path(text).parts[:1] and Path(text).parts[0] != text and Path(Path(text).parts[0]).is_dir()
    return f"; {NOT_FETCHED}" if HUB.match(text) and not inside else ""
