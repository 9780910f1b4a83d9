"""Files of published models on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.models import hub
from fashret.models.hub import preset_file


def test_a_file_that_is_not_there_is_one_line_with_name_size_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    with pytest.raises(FashretError) as caught:
        preset_file("fashion-siglip")
    folder = tmp_path / "models" / "fashion-siglip"
    assert str(caught.value) == (
        "weights of fashion-siglip are not there: put open_clip_model.safetensors (813 MB) of "
        f"https://huggingface.co/Marqo/marqo-fashionSigLIP into {folder}, or give its path to --weights"
    )
    folder.mkdir(parents=True)
    (folder / "open_clip_model.safetensors").touch()
    assert preset_file("fashion-siglip") == folder / "open_clip_model.safetensors"
