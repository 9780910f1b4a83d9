"""The train × test matrix: what is in it, how far it drops, and what fills its gaps."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashret.errors import FashretError
from fashret.files import hdf5
from fashret.files.embeddings import open_embeddings
from fashret.options import EmbedOptions
from fashret.report.cross_domain import MISSING, UNTRAINED, Origin, cross_domain_tables, make_matrix
from fashret.report.runs import Run, Searches
from fashret.report.tables import Score, to_json
from fashret.stages import embed
from tests.report_case import corrupt_attribute, write_case

MEASURES = ("mAP", "Acc@1", "Acc@20")


def origin(trained: str, tested: str, model: str = "") -> Origin:
    digest = model or f"sha256:{trained}"
    flags = ("--model", f"/models/{trained}")
    return Origin(Path(f"{trained}-{tested}.h5"), digest, digest, flags, trained, tested, f"data/{tested}.crops.h5")


def run(value: float, reranked: float | None = None, queries: int = 8) -> Run:
    def searches(share):
        return Searches(np.full((queries, 3), share), None)

    again = None if reranked is None else searches(reranked)
    return Run("r", MEASURES, np.zeros(queries, int), ("x",), 99, searches(value), again)


def shown(table):
    return [tuple(str(cell) for cell in row) for row in table.rows]


def test_the_whole_matrix():
    pairs = [("S2S", "S2S", 0.5, 0.6), ("S2S", "DF", 0.2, 0.25), ("DF", "S2S", 0.1, 0.15), ("DF", "DF", 0.4, 0.45)]
    tables = cross_domain_tables([(origin(a, b), run(x, y)) for a, b, x, y in pairs])
    assert [table.name for table in tables] == [f"cross-domain {n}" for n in (*MEASURES, "drop")]
    assert tables[0].columns == ("Trained on", "Ranking", "on S2S", "on DF")
    assert shown(tables[0]) == [
        ("S2S", "plain", "50.0", "20.0"),
        ("S2S", "re-ranked", "60.0", "25.0"),
        ("DF", "plain", "10.0", "40.0"),
        ("DF", "re-ranked", "15.0", "45.0"),
    ]
    drop = {row[:2]: row[2:4] for row in shown(tables[-1])}
    assert drop["S2S → S2S", "plain"] == ("50.0", "–")
    assert drop["S2S → DF", "plain"] == ("20.0", "−20.0")  # against DF → DF
    assert drop["DF → S2S", "re-ranked"] == ("15.0", "−45.0")
    assert not any("missing" in note for table in tables for note in table.notes)


def test_a_missing_cell_is_shown_with_the_command_that_fills_it():
    tables = cross_domain_tables([(origin("S2S", "S2S"), run(0.5)), (origin("DF", "S2S"), run(0.25))])
    assert shown(tables[0]) == [("S2S", "plain", "50.0", MISSING), ("DF", "plain", "25.0", MISSING)]
    notes = [note for note in tables[0].notes if "is missing" in note]
    command = shlex.split(notes[0].split(": fashret", 1)[1])
    assert notes[0].startswith("S2S → DF is missing; the crops of DF have to be found: put their path for DF.crops.h5")
    assert command == ["embed", "DF.crops.h5", "--model", "/models/S2S", "-o", "S2S-on-DF.emb.h5"]
    assert to_json(tables[0])["rows"][0]["on DF"] == MISSING


def test_a_dataset_that_no_model_is_trained_on_has_a_row_and_the_command_to_train_it():
    tables = cross_domain_tables([(origin("S2S", "S2S"), run(0.5)), (origin("S2S", "DF"), run(0.25))])
    assert [row[0] for row in shown(tables[0])] == ["S2S", "DF"]
    assert shown(tables[0])[1] == ("DF", "plain", MISSING, MISSING)
    assert "fashret train data/DF.crops.h5 -o model-DF && fashret embed data/S2S.crops.h5" in tables[0].notes[1]
    assert str(tables[-1].rows[1][3]) == "–"  # no same-domain score to compare with


def test_models_of_the_same_dataset_keep_their_own_rows():
    runs = [(origin("S2S", "S2S", "one"), run(0.5)), (origin("S2S", "DF", "two"), run(0.25))]
    assert [row[0] for row in shown(cross_domain_tables(runs)[0])] == ["S2S (one)", "S2S (two)", "DF"]


def test_models_of_one_name_and_dataset_are_told_apart_by_their_weights():
    first, second = (origin("S2S", "DF", f"sha256:{digit * 64}") for digit in "ab")
    named = [(replace(each, model_name="model"), run(0.1)) for each in (first, second)]
    labels = list(make_matrix(named).names.values())
    assert labels == ["S2S (model) (weights aaaaaaaa)", "S2S (model) (weights bbbbbbbb)"]


def test_two_files_for_one_cell_are_refused():
    with pytest.raises(FashretError, match=r"S2S-DF.h5 and S2S-DF.h5: same model, same dataset"):
        make_matrix([(origin("S2S", "DF"), run(0.1)), (origin("S2S", "DF"), run(0.2))])


def test_origins_come_from_the_file(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3, dataset="street2shop", trained_on="deepfashion")
    with open_embeddings(case.embeddings) as file:
        read = Origin.of(file, hdf5.read_json(file.file, "inputs"))
        assert (read.trained_on, read.tested_on) == ("deepfashion", "street2shop")
        assert read.crops == str(case.crops) and read.flags == ("--model", "model")
        file.model.clear()
        file.model.update({"name": "resnet50", "digest": "d", "settings": {"backbone": "resnet50"}, "trained_on": ""})
        bare = Origin.of(file, [])
    assert bare.trained_on == UNTRAINED and bare.flags == ("--backbone", "resnet50", "--weights", "imagenet")
    (row, *_) = cross_domain_tables([(bare, run(0.5))])[0].rows
    assert row[0] == f"{UNTRAINED} (resnet50)" and isinstance(row[2], Score)


def test_whitened_vectors_are_a_row_of_their_own(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3, dataset="street2shop", trained_on="deepfashion")
    plain = read_origin(case.embeddings)
    with open_embeddings(case.embeddings) as file:
        file.model["whitening"] = {"width": 2, "power": 0.5, "digest": "w"}
        whitened = Origin.of(file, [])
    assert whitened.flags == (*plain.flags, "--whiten-from", str(case.embeddings))
    rows = cross_domain_tables([(plain, run(0.5)), (whitened, run(0.6))])[0].rows
    assert len({row[0] for row in rows}) == len(rows) and any("whitened to 2 numbers" in str(row[0]) for row in rows)


def read_origin(path) -> Origin:
    with open_embeddings(path) as file:
        return Origin.of(file, hdf5.read_json(file.file, "inputs"))


def test_crops_above_the_embeddings_are_found(tmp_path, monkeypatch):
    case = write_case(tmp_path, queries=2, gallery=3)
    below = tmp_path / "out" / "best"
    below.mkdir(parents=True)
    moved = case.embeddings.rename(below / "emb.h5")
    assert read_origin(moved).crops == str(case.crops)
    monkeypatch.chdir(tmp_path)
    assert read_origin(Path("out/best/emb.h5")).crops == case.crops.name
    monkeypatch.chdir(below)
    assert read_origin(Path("emb.h5")).crops == str(case.crops)
    notes = cross_domain_tables([(origin("x", "x"), run(0.5)), (read_origin(moved), run(0.5))])[0].notes
    assert any(note.startswith(f"x → drawn is missing: fashret embed {case.crops} --model") for note in notes)


def test_crops_of_another_dataset_or_none_have_to_be_found(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3)
    corrupt_attribute(case.crops, "dataset", "other")
    lost = read_origin(case.embeddings)
    case.crops.unlink()
    assert lost.crops == read_origin(case.embeddings).crops == case.crops.name
    notes = cross_domain_tables([(origin("x", "x"), run(0.5)), (lost, run(0.5))])[0].notes
    assert any(f"the crops of drawn have to be found: put their path for {case.crops.name}: " in note for note in notes)


def test_the_command_makes_the_same_model(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3)
    flags = shlex.split("--backbone small --weights none --pooling gem --input 96x96 --fit pad --seed 3")
    choices = {"pooling": "gem", "fit": "pad", "seed": 3}
    first, again = (tmp_path / name for name in ("first.h5", "again.h5"))
    embed.run(case.crops, first, EmbedOptions(backbone="small", weights="none", input="96x96", workers=0, **choices))
    made = read_origin(first)
    assert list(made.flags) == flags
    notes = cross_domain_tables([(made, run(0.5)), (origin("x", "x"), run(0.5))])[0].notes
    (note,) = [note for note in notes if "no dataset (small) → x is missing" in note]
    assert shlex.join(flags) in note
    embed.run(case.crops, again, EmbedOptions(backbone="small", weights="none", workers=0))
    plain = read_origin(again)
    assert plain.flags == ("--backbone", "small", "--weights", "none") and plain.model != made.model


def test_joined_models_keep_their_weights(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3)
    part = {"trained_on": "d", "settings": {"backbone": "small"}}
    parts = [part | {"path": f"../my models/{n}", "weight": w} for n, w in (("a", 1.0), ("b", 0.25))]
    model = {"name": "a + b", "digest": "ab", "trained_on": "d", "parts": parts}
    corrupt_attribute(case.embeddings, "model", json.dumps(model))
    both = read_origin(case.embeddings)
    assert both.flags[4:] == ("--model-weight", "1.0", "--model-weight", "0.25")
    notes = cross_domain_tables([(both, run(0.5))])[0].notes
    models = [shlex.quote(str(case.embeddings.parent.parent / f"my models/{name}")) for name in "ab"]
    assert any(f"--model {models[0]} --model {models[1]} --model-weight 1.0 " in note for note in notes)


def test_a_file_that_names_no_dataset_is_refused(tmp_path):
    case = write_case(tmp_path, queries=2, gallery=3, dataset="")
    with open_embeddings(case.embeddings) as file, pytest.raises(FashretError, match="which dataset"):
        Origin.of(file, [])
