"""Where a report's numbers come from: facts on one level, without this machine's folders."""

import re

import h5py

from fashret.files import hdf5
from fashret.options import EvaluateOptions
from fashret.report.provenance import flat, model_facts
from fashret.stages import evaluate
from tests.report_case import write_case


def test_facts_are_flat_and_name_no_folder_of_this_machine():
    model = {"name": "m", "absolute_path": "/home/me/m", "settings": {"mean": [0.4, 0.5], "dim": None}}
    assert model_facts(model) == {"name": "m", "mean": "0.4, 0.5", "dim": None}
    assert model_facts({"name": "a + b", "parts": [model]})["part 1 name"] == "m"
    assert flat({"a": {"b": {"c": 1}}}) == {"a b c": 1}


def test_the_protocol_of_the_crops_stands_in_the_report(tmp_path):
    case = write_case(tmp_path)
    with h5py.File(case.crops, "r+") as file:
        hdf5.write_json(file, "options", {"size": 320, "gallery": "val+test", "drop_train_products": False})
    evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r", report_queries=2))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", (tmp_path / "r" / "index.html").read_text(encoding="utf-8")))
    assert re.search(r" Crops file drawn\.crops\.h5 dataset drawn .*gallery val\+test drop_train_products False", text)
