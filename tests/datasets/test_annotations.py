"""Damaged annotation files: whatever is wrong in them, a reader gives sound rows or one line that names the place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashret.datasets import load
from fashret.errors import FashretError
from fashret.files.columns import Role, Rows, storable
from fashret.options import CropOptions
from tests.dataset_case import photo, write
from tests.datasets.test_coco import root as coco  # noqa: F401
from tests.datasets.test_deepfashion2 import root as deepfashion2  # noqa: F401
from tests.datasets.test_deepfashion_consumer_to_shop import inshop  # noqa: F401
from tests.datasets.test_deepfashion_consumer_to_shop import root as deepfashion  # noqa: F401
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
    options = CropOptions(root=root, subset="real_streetlook" if name == "lookbench" else "")
    kinds = {".json", ".txt", ".csv", ".parquet"}
    files = sorted(path for path in root.rglob("*") if path.suffix in kinds and path.stat().st_size > 2)
    whole = {path: path.read_bytes() for path in files}

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
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
        load(str(path) if name == "table" else READERS[name], CropOptions(root=root))


def test_a_product_that_no_file_can_hold_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "image,product\na.jpg,p\nb.jpg,p\0q\n")
    with pytest.raises(FashretError, match=r"c\.csv, line 3: product 'p\\x00q'; expected UTF-8"):
        load(str(path), CropOptions())


def test_half_a_surrogate_pair_in_json_is_named_with_its_entry(mvc: Path) -> None:  # noqa: F811
    write(mvc / "mvc_info.json", (mvc / "mvc_info.json").read_text().replace('"77"', '"\\ud800"'))
    with pytest.raises(FashretError, match=r"mvc_info\.json, entry 2: productId is .*; expected a text") as caught:
        load("mvc", CropOptions(root=mvc))
    str(caught.value).encode()


def test_a_photo_whose_name_is_no_utf8_is_named_before_anything_is_cropped(tmp_path: Path) -> None:
    photo(tmp_path / "p/shop/a.jpg")
    try:
        (tmp_path / "p/shop/a.jpg").rename(tmp_path / "p/shop/\udcff.jpg")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    with pytest.raises(FashretError, match=r"photo 'p/shop/\\udcff.jpg': not a path in UTF-8; give it another name"):
        load(str(tmp_path), CropOptions())
