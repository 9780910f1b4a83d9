"""Files of published models on this machine."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from fashret.errors import FashretError
from fashret.models import hub
from fashret.models.hub import preset_file


def test_a_file_that_is_not_there_is_one_line_with_name_size_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: None)
    with pytest.raises(FashretError) as caught:
        preset_file("fashion-siglip", offline=True)
    folder = tmp_path / "models" / "fashion-siglip"
    assert str(caught.value) == (
        "weights of fashion-siglip are not there: put open_clip_model.safetensors (813 MB) of "
        f"https://huggingface.co/Marqo/marqo-fashionSigLIP into {folder}, or give its path to --weights"
    )
    folder.mkdir(parents=True)
    (folder / "open_clip_model.safetensors").touch()
    assert preset_file("fashion-siglip") == folder / "open_clip_model.safetensors"


def kind_of(name: str) -> Exception:
    """An error of the hub's client without the answer of a server."""
    kind = getattr(errors, name)
    error = kind.__new__(kind)
    Exception.__init__(error, "401\nhttps://…")
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (kind_of("GatedRepoError"), "accept the licence on its page and log in"),
        (kind_of("RepositoryNotFoundError"), "no such folder"),
        (kind_of("RemoteEntryNotFoundError"), "no such file"),
        (kind_of("LocalEntryNotFoundError"), "no connection to the hub"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ConnectionError("reset\nby peer"), "(reset)"),
    ],
)
def test_a_file_that_cannot_be_fetched_is_one_line(
    error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*names: str) -> str:
        raise error

    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(FashretError, match="weights of gr-lite cannot be fetched") as caught:
        preset_file("gr-lite")
    assert words in str(caught.value) and "\n" not in str(caught.value) and "put model.safetensors" in str(caught.value)


def test_a_file_of_the_hubs_cache_is_taken_and_one_that_is_not_there_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *names: asked.append(names) or str(tmp_path / "file")
    )
    assert preset_file("gr-lite") == tmp_path / "file" and asked == [("srpone/gr-lite", "model.safetensors")]
    with pytest.raises(FashretError, match="weights of moda-vision are not there"):  # where it is is not known
        preset_file("moda-vision")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *names: str(tmp_path / "cached"))
    assert preset_file("gr-lite", offline=True) == tmp_path / "cached" and len(asked) == 1
