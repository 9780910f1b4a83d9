"""Annotation files: whatever is wrong in them, a reader gives sound rows or one line that names the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashret.datasets.annotations import (
    corners_of_list,
    existing_folder,
    four_numbers,
    index_photos,
    number,
    object_list,
    read_json,
    read_lines,
    read_list,
    require_files,
    shown,
    text,
    whole_number,
)
from fashret.datasets.flags import CropFlags
from fashret.datasets.readers import load
from fashret.errors import FashretError
from fashret.files.columns import Role, Rows
from fashret.files.hdf5 import storable
from fashret.files.tables.manifests import LeftOut
from tests.dataset_case import photo, write
from tests.datasets.test_coco import root as coco  # noqa: F401
from tests.datasets.test_deepfashion2 import root as deepfashion2  # noqa: F401
from tests.datasets.test_deepfashion_consumer_to_shop import root as deepfashion  # noqa: F401
from tests.datasets.test_deepfashion_inshop import inshop  # noqa: F401
from tests.datasets.test_lookbench import root as lookbench  # noqa: F401
from tests.datasets.test_pairs import mpv, mvc, worn_flat  # noqa: F401
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401


@pytest.fixture
def darn(tmp_path: Path) -> Path:
    write(tmp_path / "darn.txt", "17/000.jpg http://example.com/a%20b.jpg\n17/001.jpg http://example.com/b\n")
    return tmp_path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [
        "image,product,domain,category,split,x1,y1,x2,y2",
        "a.jpg,p,street,bags,test,1,2,3,4",
        "b.jpg,p,shop,,,,,,",
    ]
    write(tmp_path / "c.csv", "\n".join(lines))
    return tmp_path


READERS = {  # fixture → what `load` is given
    "street2shop": "street2shop", "deepfashion": "deepfashion", "inshop": "deepfashion-inshop", "mvc": "mvc",
    "deepfashion2": "deepfashion2", "coco": "coco", "lookbench": "lookbench", "mpv": "mpv", "worn_flat": "worn-flat",
    "darn": "darn", "table": "c.csv",
}  # fmt: skip
TOKENS = st.sampled_from([
    *(bytes([c]) for c in b'"{}[],:-1.\\/ \t\r\n\0\xff'), b"e9", b"1e400", b"null", b"true", b"NaN", b"Infinity",
    b'"\\ud800"', b"../", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"9" * 30, b"9" * 5000,
])  # fmt: skip
DAMAGE = st.tuples(st.floats(0, 1), st.integers(0, 12), TOKENS | st.binary(max_size=4))  # where, removed, put there


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_give_sound_rows_or_one_line(name: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(name)
    (root / "img").mkdir(exist_ok=True)
    chosen = str(root / "c.csv") if name == "table" else READERS[name]
    options = CropFlags(root=root, subset="real_streetlook" if name == "lookbench" else "")
    kinds = {".json", ".txt", ".csv", ".parquet"}
    files = sorted(path for path in root.rglob("*") if path.suffix in kinds and path.stat().st_size > 2)
    whole = {path: path.read_bytes() for path in files}

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(path=st.sampled_from(files), damage=st.lists(DAMAGE, min_size=1, max_size=3))
    def damaged(path: Path, damage: list[tuple[float, int, bytes]]) -> None:
        content = whole[path]
        for share, removed, added in damage:
            at = int(share * len(content))
            content = content[:at] + added + content[at + removed :]
        path.write_bytes(content)
        try:
            check_rows(load(chosen, options).rows)
        except FashretError as error:
            assert "\n" not in str(error) and "\r" not in str(error) and str(root) in str(error)
        finally:
            path.write_bytes(whole[path])

    damaged()


def check_rows(rows: Rows) -> None:
    """Every row can be cropped and stored: inside the root, a box or none, names that HDF5 can hold."""
    for i in range(len(rows)):
        source, empty = rows.source[i], np.isnan(rows.box[i])
        assert source and not source.startswith("/") and ".." not in source.split("/")
        assert storable(source) and storable(rows.product[i])
        assert empty.all() or np.isfinite(rows.box[i]).all()
        assert rows.product[i] or not rows.role[i] & (Role.TRAIN | Role.QUERY | Role.VAL_QUERY)
        assert -1 <= rows.category[i] < max(1, len(rows.categories))


@pytest.mark.parametrize(
    ("name", "file", "old", "place"),
    [
        ("deepfashion", "Eval/list_eval_partition.txt", "img/TOPS/Tee/id_00000003/shop_01.jpg", "line 6"),
        ("inshop", "Eval/list_eval_partition.txt", "img/MEN/Shorts/id_00000007/01_1_front.jpg", "line 5"),
        ("coco", "meta_reid/query_coco_reid.json", "000000002_0_0.jpg", "(annotations|images), entry 0"),
        ("mpv", "all_poseA_poseB_clothes_0607.txt", "2@9=person_half_back.jpg", "line 2"),
        ("worn_flat", "test_pairs.txt", "coat.jpg", "line 3"),
        ("darn", "darn.txt", "17/001.jpg", "line 2"),
        ("table", "c.csv", "b.jpg", "line 3"),
    ],
)
@pytest.mark.parametrize("wrong", ["../../secret.jpg", "a/\0.jpg"])
def test_a_photo_that_cannot_be_is_named_with_its_place(
    name: str, file: str, old: str, place: str, wrong: str, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(name)
    (root / "img").mkdir(exist_ok=True)
    path = root / file
    wrong = wrong.replace("\0", "\\u0000") if path.suffix == ".json" else wrong
    path.write_text(path.read_text().replace(old, wrong))
    with pytest.raises(FashretError, match=f"{path.name}, {place}: (photo|product|file_name) "):
        load(str(path) if name == "table" else READERS[name], CropFlags(root=root))


def test_a_product_that_no_file_can_hold_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "image,product\na.jpg,p\nb.jpg,p\0q\n")
    with pytest.raises(FashretError, match=r"c\.csv, line 3: product 'p\\x00q'; expected UTF-8"):
        load(str(path), CropFlags())


def test_half_a_surrogate_pair_in_json_is_named_with_its_entry(mvc: Path) -> None:  # noqa: F811
    write(mvc / "mvc_info.json", (mvc / "mvc_info.json").read_text().replace('"77"', '"\\ud800"'))
    with pytest.raises(FashretError, match=r"mvc_info\.json, entry 2: productId is .*; expected a text") as caught:
        load("mvc", CropFlags(root=mvc))
    str(caught.value).encode()


def test_a_photo_whose_name_is_no_utf8_is_left_out_and_counted(tmp_path: Path) -> None:
    photo(tmp_path / "p/shop/a.jpg")
    photo(tmp_path / "p/shop/b.jpg")
    try:
        (tmp_path / "p/shop/a.jpg").rename(tmp_path / "p/shop/\udcff.jpg")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    listing = load(str(tmp_path), CropFlags())
    assert listing.rows.source.tolist() == ["p/shop/b.jpg"]
    assert listing.left_out == (LeftOut(".jpg", "its name is not UTF-8", 1, "p/shop/\\udcff.jpg"),)


# --- the parts that readers are made of ---


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (number, 2, 2.0),
        (number, -0.5, -0.5),
        (whole_number, 286.0, 286),
        (whole_number, 0, 0),
        (text, " a b ", "a b"),
        (text, 17, "17"),
    ],
)
def test_values_of_an_entry(read: Any, value: Any, expected: Any) -> None:
    found = read({"key": value}, "key", "a.json, entry 3")
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (number, True, "key is true; expected a number"),
        (number, "3", 'key is "3"; expected a number'),
        (number, float("nan"), "key is NaN; expected a finite number"),
        (number, 10**400, "; expected a finite number"),
        (whole_number, 1.5, "key is 1.5; expected a whole number, 0 or more"),
        (whole_number, -1, "key is -1.0; expected a whole number, 0 or more"),
        (text, "  ", 'key is "  "; expected a text'),
        (text, None, "key is null; expected a text"),
        (text, True, "key is true; expected a text"),
    ],
)
def test_wrong_values_of_an_entry(read: Any, value: Any, message: str) -> None:
    with pytest.raises(FashretError) as caught:
        read({"key": value}, "key", "a.json, entry 3")
    assert str(caught.value).startswith("a.json, entry 3: ") and message in str(caught.value)


def test_a_missing_value_says_what_there_is() -> None:
    with pytest.raises(FashretError, match="^here: lacks key; it has other, line\\?end$"):
        number({"other": 1, "line\nend": 2}, "key", "here")
    with pytest.raises(FashretError, match="^here: lacks key; it has nothing$"):
        number({}, "key", "here")


@pytest.mark.parametrize("value", [[1, 2, 3], {"x": 1}, "1,2,3,4", None])
def test_four_numbers_are_four(value: Any) -> None:
    assert four_numbers([1, 2.5, 3, 4], "here") == (1.0, 2.5, 3.0, 4.0)
    with pytest.raises(FashretError, match="^here: expected a list of four numbers, found "):
        four_numbers(value, "here")


def test_a_list_of_objects_names_the_first_that_is_none() -> None:
    assert object_list([{}, {"a": 1}], "here") == [{}, {"a": 1}]
    with pytest.raises(FashretError, match="^here, entry 1: expected an object, found 3$"):
        object_list([{}, 3, 4], "here")
    with pytest.raises(FashretError, match="^here: expected a list of objects, found "):
        object_list({}, "here")


def test_wrong_values_are_shown_short_and_as_text() -> None:
    assert shown("x" * 200) == '"' + "x" * 58 + "…"
    assert shown("é") == '"é"' and shown("\ud800") == '"\\ud800"'


def test_json_files_that_are_none(tmp_path: Path) -> None:
    cases = {"cut.json": '{"a":\n[1,', "text.json": "no", "deep.json": "[" * 100_000, "long.json": "9" * 5000}
    for name, content in cases.items():
        with pytest.raises(FashretError, match=rf"{name}.*: is not JSON \(") as caught:
            read_json(write(tmp_path / name, content))
        assert "\n" not in str(caught.value)
    with pytest.raises(FashretError, match=r"cut\.json, line 2: "):
        read_json(tmp_path / "cut.json")
    with pytest.raises(FashretError, match="no such file"):
        read_json(tmp_path / "none.json")


def test_a_counted_list_gives_lines_and_cells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.txt", "2\nname  id\na   1\r\n\nb\t2\n")
    assert list(read_list(path, "name id")) == [(3, ["a", "1"]), (5, ["b", "2"])] and not caplog.text
    assert len(list(read_list(write(path, "3\nname id\na 1\n"), "name id"))) == 1
    assert "its first line says 3 rows, it has 1" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected the number of rows, found "),
        ("two\nname id\n", "line 1: expected the number of rows, found "),
        (f"{'9' * 5000}\nname id\n", "line 1: expected the number of rows, found "),
        ("1\nid name\n", "line 2: expected the columns 'name id', found "),
        ("1\nname id\na\n", r"line 3: has 1 cell, expected 2 \(name id\)"),
    ],
)
def test_a_list_of_another_form_names_the_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FashretError, match=message):
        list(read_list(write(tmp_path / "a.txt", content), "name id"))


def test_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    assert read_lines(write(tmp_path / "a.txt", "\ufeffa\u2028b\x0bc\nd")) == ["a\u2028b\x0bc", "d"]
    (tmp_path / "b.txt").write_bytes(b"a\nb\xff\n")
    with pytest.raises(FashretError, match=r"b\.txt, line 2: is not UTF-8 text"):
        read_lines(tmp_path / "b.txt")


@pytest.mark.parametrize("cells", [["1", "2", "3", "x"], ["1", "2", "3", "4.5"], ["1", "2", "3", "1234567"]])
def test_corners_of_a_list_are_whole_numbers(cells: list[str]) -> None:
    with pytest.raises(FashretError, match="^here: box .*; expected four whole numbers$"):
        corners_of_list(cells, "here")


def test_folders_and_files_that_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert existing_folder(tmp_path, ("a", "b"), "photos") == tmp_path / "b"
    with pytest.raises(FashretError, match=r"no folder with photos \(x, y\); it holds b$"):
        existing_folder(tmp_path, ("x", "y"), "photos")
    write(tmp_path / "b/one.txt", "")
    with pytest.raises(FashretError, match=r"lacks two\.txt; found one\.txt$"):
        require_files(tmp_path / "b", ["one.txt", "two.txt"])
    assert require_files(tmp_path / "b", ["one.txt"]) == [tmp_path / "b/one.txt"]


def test_photos_are_indexed_by_name_and_those_above_come_first(tmp_path: Path) -> None:
    for name in ("1.jpg", "z/1.png", "a/2.JPG", "b/2.png", "a/note.txt", "a/b/c/3.jpeg", "a/b/2.jpg", "@eaDir/4.jpg"):
        write(tmp_path / name, "")
    (tmp_path / "a/back").symlink_to(tmp_path)
    assert index_photos(tmp_path) == {"1": "1.jpg", "2": "a/2.JPG", "3": "a/b/c/3.jpeg"}
