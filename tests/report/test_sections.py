"""What the report says of where its numbers come from."""

import re

import h5py

from fashret.files import hdf5
from fashret.options import EvaluateOptions
from fashret.stages import evaluate
from tests.report_case import write_case


def test_the_protocol_of_the_crops_stands_in_the_report(tmp_path):
    case = write_case(tmp_path)
    with h5py.File(case.crops, "r+") as file:
        hdf5.write_json(file, "options", {"size": 320, "gallery": "val+test", "drop_train_products": False})
    evaluate.run([case.ranking], EvaluateOptions(report=tmp_path / "r", gallery=2))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", (tmp_path / "r" / "index.html").read_text(encoding="utf-8")))
    assert re.search(r" Crops file drawn\.crops\.h5 dataset drawn .*gallery val\+test drop_train_products False", text)
