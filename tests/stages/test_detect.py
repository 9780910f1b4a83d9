"""`fashret detect` on many photos: the manifest, its scores and pictures, and runs that are interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from fashret.detection.detectors import Found
from fashret.errors import FashretError
from fashret.files.tables.catalogue_tables import read_table
from fashret.options import DetectOptions
from fashret.stages import detect
from tests.conftest import invoke
from tests.painted_case import PaintedDetector, painted, use_painted

RED, GREEN, BLUE = (10, 20, 60, 120), (65, 30, 110, 150), (0, 130, 30, 160)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with photos of which some are turned, and the folder of a detector that finds all."""
    painted(tmp_path / "photos/a.jpg", {"red": RED, "green": GREEN, "blue": BLUE})
    painted(tmp_path / "photos/b.png", {"green": GREEN}, orientation=6)
    painted(tmp_path / "photos/sub/c.png", {})
    use_painted(monkeypatch, tmp_path, PaintedDetector())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(**values: object) -> DetectOptions:
    return DetectOptions(**{"detector": (Path("painted"),), **values})


def test_a_folder_becomes_a_manifest_that_crop_and_embed_take(shop: Path) -> None:
    found = detect.run("photos", Path("found.csv"), options())
    assert (found.photos, found.without, found.garments) == (3, 1, 3)
    assert found.categories == {"green": 2, "red": 1}
    rows = read_table(Path("found.csv")).rows
    assert rows.source.tolist() == ["photos/a.jpg", "photos/a.jpg", "photos/b.png"]
    np.testing.assert_allclose(rows.box, [RED, GREEN, GREEN], atol=1.5)  # as stored, whatever way up
    assert invoke("crop", "found.csv", "-o", "found.h5").returncode == 0
    with h5py.File("found.h5") as crops:
        assert crops["source"].asstr()[:].tolist() == rows.source.tolist()
        assert json.loads(crops.attrs["categories"]) == ["green", "red"]
    done = invoke("embed", "found.csv", "-o", "found.emb.h5", "--backbone", "small", "--weights", "none")
    assert done.returncode == 0, done.stderr


def test_only_photos_of_a_role_are_looked_at(shop: Path) -> None:
    Path("shop.csv").write_text(
        "image,product,role\nphotos/a.jpg,p1,train\nphotos/b.png,p1,query\nphotos/sub/c.png,p1,gallery\n"
    )
    Path("boxed.csv").write_text(
        "image,product,role,x1,y1,x2,y2\nphotos/a.jpg,p1,train,0,0,9,9\n"
        f"photos/b.png,p1,query,{','.join(map(str, GREEN))}\n"
    )
    found = detect.run("shop.csv", Path("found.csv"), options(role=("query", "gallery")))
    assert (found.photos, found.garments) == (2, 1)
    scored = detect.run("boxed.csv", Path("found.csv"), options(role=("query",), evaluate=True))
    assert (scored.photos, scored.scores["boxes"], scored.scores["AP50"]) == (1, 1, 1)
    with pytest.raises(FashretError, match="shop: no row has the role val_query"):
        detect.run("shop.csv", Path("found.csv"), options(role=("val_query",)))


def test_columns_that_came_in_are_kept(shop: Path) -> None:
    Path("shop.csv").write_text(
        "image,product,category,domain,role,x1,y1,x2,y2,price,in stock,Since\n"
        "photos/a.jpg,p1,red,street,query,10,20,60,120,9.5,true,2026-01-31\n"
        "photos/b.png,p2,coat,shop,gallery,,,,,19,,\n"
    )
    detect.run("shop.csv", Path("found.csv"), options())
    header, *lines = [line.split(",") for line in Path("found.csv").read_text().splitlines()]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(row["product"], row["domain"], row["role"], row["category"], row["given_category"]) for row in rows] == [
        ("p1", "street", "query", "red", "red"),
        ("", "street", "query", "green", "red"),
        ("p2", "shop", "gallery", "green", "coat"),
    ]
    assert {row["detector"] for row in rows} == {"painted"} and rows[0]["score"] == "0.9"
    assert [(row["price"], row["in stock"], row["Since"]) for row in rows] == [
        ("9.5", "true", "2026-01-31"), ("9.5", "true", "2026-01-31"), ("19", "", "")
    ]  # fmt: skip
    detect.run("found.csv", Path("found.parquet"), options())  # what was found before, looked at again
    kinds = {name: column.kind for name, column in read_table(Path("found.parquet")).rows.further.items()}
    assert kinds == {
        "score": "number", "detector": "text", "given_category": "text", "price": "number", "in stock": "boolean",
        "Since": "date",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["found.parquet", "found.coco.json"])
def test_other_forms(shop: Path, name: str) -> None:
    assert detect.run("photos", Path(name), options(min_score=0.1, max_garments=2)).garments == 3
    assert Path(name).stat().st_size and not Path(name + ".spool").exists()


def test_nothing_found_is_said_and_is_no_error(shop: Path) -> None:
    done = invoke("detect", "photos/sub", "--detector", "painted", "-o", "none.csv", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["garments"] == 0
    assert Path("none.csv").read_text().startswith("image,product") and Path("none.csv").read_text().count("\n") == 1
    assert "garments           0" in invoke("detect", "photos/sub", "--detector", "painted", "-o", "none.csv").stdout


def test_scores_against_the_boxes_of_the_manifest(shop: Path) -> None:
    box = "{},{},{},{}".format
    Path("shop.csv").write_text(
        "image,product,category,x1,y1,x2,y2\n"
        f"photos/a.jpg,p1,red,{box(*RED)}\nphotos/a.jpg,p2,green,{box(*GREEN)}\nphotos/b.png,p3,green,0,0,9,9\n"
    )
    found = detect.run("shop.csv", Path("found.csv"), options(evaluate=True))
    assert found.scores_of == "each category" and found.scores["boxes"] == 3 and found.scores["photos"] == 2
    assert found.per_category["red"] == pytest.approx(1) and 0.4 < found.scores["recall"] < 0.8
    done = invoke("detect", "shop.csv", "--detector", "painted", "-o", "found.csv", "--evaluate")
    assert "AP50 75" in done.stdout and "(each category, 3 boxes of 2 photos)" in done.stdout
    done = invoke("detect", "photos", "--detector", "painted", "-o", "found.csv", "--evaluate")
    assert done.returncode == 1 and "photos: a folder of photos has no boxes; give a table" in done.stderr
    Path("shop.csv").write_text("image,product\nphotos/a.jpg,p1\n")
    done = invoke("detect", "shop.csv", "--detector", "painted", "-o", "found.csv", "--evaluate")
    assert done.returncode == 1 and "shop: has no boxes; --evaluate compares" in done.stderr


def coco_file(path: Path, *notes: tuple[int, str, tuple[int, ...], bool]) -> Path:
    """A COCO file of the photos a and b: of each box the photo, the category, the corners, and if it is a crowd."""
    names = {"red": 1, "green": 2}
    boxes = [
        {"image_id": image, "category_id": names[name], "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(crowd)}
        for image, name, (x1, y1, x2, y2), crowd in notes
    ]
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.png"}]
    categories = [{"id": i, "name": name} for name, i in names.items()]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": boxes}))
    return path


def test_scores_against_a_coco_file_whose_crowds_do_not_count(shop: Path) -> None:
    coco_file(
        Path("val.json"), (1, "red", RED, False), (1, "green", (60, 20, 120, 160), True), (2, "green", GREEN, False)
    )
    done = invoke("detect", "val.json", "--detector", "painted", "-o", "found.csv", "--evaluate", "--json")
    found = json.loads(done.stdout)
    assert (found["dataset"], found["scores"]["boxes"], found["scores_of"]) == ("val", 2, "each category")
    assert found["scores"]["AP50"] == pytest.approx(1)
    assert invoke("crop", "found.csv", "-o", "found.h5").returncode == 0  # no row is a query without a product
    assert {row.split(",")[3] for row in Path("found.csv").read_text().splitlines()[1:]} == {""}


def test_a_coco_file_says_that_all_garments_are_annotated(shop: Path) -> None:
    Path("any.toml").write_text('red = ""\ngreen = ""\nblue = ""\n')
    coco_file(Path("train.json"), (1, "green", GREEN, False), (2, "green", GREEN, False))
    found = detect.run("train.json", Path("found.csv"), options(evaluate=True, labels="any.toml"))
    assert found.scores_of == "any garment" and found.scores["AP50"] < 0.7  # red in photo a is wrong
    Path("shop.csv").write_text("image,category,x1,y1,x2,y2\n" + "".join(
        f"photos/{name},green,{','.join(map(str, GREEN))}\n" for name in ("a.jpg", "b.png")
    ))  # fmt: skip
    found = detect.run("shop.csv", Path("found.csv"), options(evaluate=True, labels="any.toml"))
    assert found.scores["AP50"] == pytest.approx(1)  # of a table without two boxes in a photo it is not known


def test_scores_against_fashionai_where_one_garment_is_annotated(shop: Path) -> None:
    x1, y1, x2, y2 = GREEN
    lines = [f"photos/{name},green,{x1}_{y1}_1,{x2}_{y2}_1" for name in ("a.jpg", "b.png")]
    Path("data").mkdir()
    Path("data/photos").symlink_to(shop / "photos")
    Path("data/train.csv").write_text("image_id,image_category,left,right\n" + "\n".join(lines) + "\n")
    found = detect.run("fashionai", Path("found.csv"), options(evaluate=True, root=Path("data")))
    assert found.scores["boxes"] == 2 and found.scores["AP50"] == pytest.approx(1)


def test_a_coco_file_without_boxes_lists_no_photos(shop: Path) -> None:
    coco_file(Path("none.json"))
    done = invoke("detect", "none.json", "--detector", "painted", "-o", "found.csv", "--evaluate")
    assert done.returncode == 1 and "none: lists no photos; nothing to look at" in done.stderr
    assert not list(Path().glob("found.csv*"))


def test_pictures_show_the_boxes_upright(shop: Path) -> None:
    detect.run("photos", Path("found.csv"), options(show=Path("drawn")))
    names = sorted(path.relative_to("drawn").as_posix() for path in Path("drawn").rglob("*.jpg"))
    assert names == ["a.jpg", "b.png.jpg", "sub/c.png.jpg"]
    with Image.open("drawn/b.png.jpg") as picture:
        assert picture.size == (160, 120)
        pixels = np.asarray(picture).astype(int)
    edge = (np.abs(pixels - (0xE1, 0x1D, 0x48)) < 50).all(axis=2)  # the first colour
    y, x = np.nonzero(edge[67:])
    assert (x.min(), x.max(), y.max() + 67) == pytest.approx((10, 129, 109), abs=2)


class Killed(BaseException):
    pass


class Mortal(PaintedDetector):
    """Is killed once it has looked at so many photos."""

    left = 4

    def find(self, pictures):
        self.left -= len(pictures)
        if self.left < 0:
            raise Killed
        return super().find(pictures)


@pytest.mark.parametrize("name", ["found.csv", "found.coco.json"])
def test_an_interrupted_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(9):
        painted(tmp_path / f"photos/{i}.png", {"red": (i, 10, 50, 90), "blue": BLUE})
    (tmp_path / "photos/3.png").write_bytes(b"no photo")
    detector = Mortal()
    use_painted(monkeypatch, tmp_path, detector)
    few = options(batch_size=2, min_score=0.2)
    with pytest.raises(Killed):
        detect.run("photos", Path(name), few)
    assert not Path(name).exists() and Path(name + ".spool").exists()
    with pytest.raises(FashretError, match="resume it with --resume"):
        detect.run("photos", Path(name), few)
    with pytest.raises(FashretError, match="--min-score 0.2 → 0.4"):
        detect.run("photos", Path(name), options(batch_size=2, min_score=0.4, resume=True))
    with pytest.raises(FashretError, match="--iou 0.55 → 0.7"):  # of a single detector's classes that have become one
        detect.run("photos", Path(name), options(batch_size=2, min_score=0.2, iou=0.7, resume=True))
    detector.left, before = 100, detector.looked_at
    found = detect.run("photos", Path(name), options(batch_size=3, min_score=0.2, resume=True))
    assert found.kept == before > 0 and detector.looked_at == 8 and found.failed == 1
    assert (
        "no photo" not in Path(name + ".errors.jsonl").read_text()
        and "3.png" in Path(name + ".errors.jsonl").read_text()
    )
    resumed = Path(name).read_bytes()
    detect.run("photos", Path(name), few)
    assert Path(name).read_bytes() == resumed and not Path(name + ".spool").exists()


def test_too_many_unreadable_photos_end_the_run(shop: Path) -> None:
    Path("photos/x.jpg").write_bytes(b"x")
    with pytest.raises(FashretError, match="1 of 4 photos cannot be read, more than --max-errors 0; the first: x.jpg"):
        detect.run("photos", Path("found.csv"), options(max_errors=0.0))
    assert not Path("found.csv").exists()


def test_a_photo_with_thousands_of_boxes(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Many(PaintedDetector):
        def find(self, pictures):
            corners = np.random.default_rng(0).uniform(0, 100, (5000, 2)).astype(np.float32)
            boxes = np.concatenate([corners, corners + 15], axis=1)
            return [Found(boxes, np.linspace(1, 0, 5000, dtype=np.float32), np.zeros(5000, np.int64)) for _ in pictures]

    one, two = Many("one"), Many("two")
    use_painted(monkeypatch, shop, one, two)
    both = (Path("one"), Path("two"))
    found = detect.run("photos", Path("found.csv"), options(detector=both, min_score=0, max_garments=300))
    assert found.garments == 3 * 300
    rows = read_table(Path("found.csv")).rows
    assert (rows.box >= 0).all() and (rows.box[:, 2] <= 120).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("photos -o f.csv", "give a detector: fashret detect photos --detector FOLDER"),
        ("photos -o f.csv --detector none", "none: no such detector folder"),
        ("photos -o f.csv --detector photos", "photos: has no detector.json"),
        ("photos -o f.csv --detector painted --detector ./painted", "is given more than once"),
        ("photos -o f.txt --detector painted", "f.txt: name the output .csv, .parquet or .coco.json"),
        ("photos -o none/f.csv --detector painted", "the folder none does not exist"),
        ("photos --detector painted", "give an output: -o found.csv"),
        ("empty -o f.csv --detector painted", "empty: no photo in this folder"),
        ("gone -o f.csv --detector painted", "gone: no such file or folder"),
        ("photos -o f.csv --detector painted --labels no.toml", "--labels no.toml: no such file"),
        ("photos -o f.csv --detector painted --labels modanet", "no category for any class of painted"),
        ("photos -o f.csv --detector painted --detector-weight 1 --detector-weight 2", "2 weights for 1 detectors"),
        ("photos -o f.csv --detector painted --detector-weight -1", "--detector-weight: must be above zero"),
        ("photos -o f.csv --detector painted --min-score 1.5", "--min-score 1.5: must be 0 to 1"),
        ("photos -o f.csv --detector painted --show photos/a.jpg", "is a file; give a folder"),
        ("photos -o f.csv --detector painted --resume --restart", "exclude each other"),
    ],
)
def test_what_is_refused(shop: Path, words: str, message: str) -> None:
    Path("empty").mkdir()
    done = invoke("detect", *words.split())
    assert done.returncode in (1, 2) and message in " ".join(done.stderr.replace("│", " ").split())
    assert not list(shop.glob("f.*"))


def test_the_output_is_checked_before_detectors_are_opened(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "ensemble_of", lambda options: pytest.fail("opened"))
    with pytest.raises(FashretError, match="name the output .csv"):
        detect.run("photos", Path("f.txt"), options())


def test_two_detectors_of_one_name(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_painted(monkeypatch, shop / "other", PaintedDetector())
    monkeypatch.setattr("fashret.detection.ensemble.open_detector", lambda folder, device: PaintedDetector())
    with pytest.raises(FashretError, match="2 detectors are called painted; rename the folder of one"):
        detect.run("photos", Path("f.csv"), options(detector=(Path("painted"), Path("other/painted"))))
