"""Manifests of public datasets, and anybody's catalogue as a table or a folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashret import datasets
from fashret.datasets.census import counts
from fashret.errors import FashretError
from fashret.files import manifests
from fashret.files.catalogue_tables import read_table
from fashret.files.catalogues import is_catalogue, read_catalogue, read_folder
from fashret.files.columns import empty_rows
from fashret.files.manifests import drop_repeats, find_manifest, manifest_names
from fashret.files.photo_sources import EXTENSIONS
from fashret.options import CropOptions
from fashret.stages import crop
from tests.conftest import make_rows
from tests.dataset_case import photo, plain, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401

NAMES = manifest_names()


@pytest.mark.parametrize("name", NAMES)
def test_every_manifest_is_whole(name: str) -> None:
    about = find_manifest(name)
    assert about.title and 2014 < about.year < 2030 and about.paper and about.data and about.licence
    assert set(about.published) == {"pairs", "images", "categories", "boxes", "landmarks", "masks"}
    assert set(about.protocol) == {"query", "gallery", "positive"} and all(about.protocol.values())
    assert about.layout.strip()
    assert bool(about.no_pairs) == (name not in datasets.READERS)
    known = counts(empty_rows())[""]
    assert all(entry.what in known and entry.count > 0 for entry in about.expected)


def test_every_reader_has_a_manifest() -> None:
    assert set(datasets.READERS) < set(NAMES)


def test_street2shop_expects_the_published_counts() -> None:
    expected = {(e.category, e.what): e.count for e in find_manifest("street2shop").expected}
    assert expected["", "query rows"] == 8637 == sum(n for (c, w), n in expected.items() if c and w == "query rows")
    assert sum(n for (c, w), n in expected.items() if w == "gallery photos") == 304_380
    assert sum(n for (c, w), n in expected.items() if c and w == "query products") == 2587


@pytest.mark.parametrize("name", ["modanet", "fashionai", "zalando"])
def test_a_dataset_without_pairs_says_so_in_one_line(name: str) -> None:
    with pytest.raises(FashretError, match=rf"^{name}: .*(nothing to retrieve|never published)"):
        datasets.load(name, CropOptions(root=Path(".")))


def test_an_unknown_name_lists_those_that_are_known() -> None:
    with pytest.raises(FashretError, match="no such file or folder.*known: coco, darn, deepfashion"):
        datasets.load("street2shopp", CropOptions())


def test_a_public_dataset_needs_a_root() -> None:
    with pytest.raises(FashretError, match="--root FOLDER"):
        datasets.load("street2shop", CropOptions())
    with pytest.raises(FashretError, match="no such folder"):
        datasets.load("street2shop", CropOptions(root=Path("nowhere")))


def test_a_folder_named_like_a_dataset_is_taken_where_no_root_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "coco/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert plain(datasets.load("coco", CropOptions()).rows) == [("a.jpg", None, "", "gallery", "shop", "")]
    with pytest.raises(FashretError, match=r"coco: .*train.*\.json"):
        datasets.load("coco", CropOptions(root=Path("coco")))


def test_a_damaged_manifest_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "manifest_folder", lambda: tmp_path)
    write(tmp_path / "mine.toml", "title = \n")
    with pytest.raises(FashretError, match=r"mine\.toml: is not a manifest"):
        find_manifest("mine")
    write(tmp_path / "mine.toml", 'title = "x"\nunknown = 1')
    with pytest.raises(FashretError, match=r"mine\.toml: is not a manifest"):
        find_manifest("mine")


# tables


def rows(path: Path, content: str) -> list[tuple[Any, ...]]:
    return plain(read_table(write(path, content)).rows)


def test_the_smallest_table(tmp_path: Path) -> None:
    assert rows(tmp_path / "c.csv", "image,product\na.jpg,p\nb/c.jpg,q\n") == [
        ("a.jpg", None, "p", "query+gallery", "shop", ""),
        ("b/c.jpg", None, "q", "query+gallery", "shop", ""),
    ]


SPLITS = """image,product,domain,category,split
1.jpg,p,street,tops,train
2.jpg,p,shop,tops,train
3.jpg,q,street,bags,test
4.jpg,q,shop,bags,test
5.jpg,q,street,bags,
6.jpg,q,Shop,,
7.jpg,r,street,bags,val
8.jpg,r,shop,bags,validation
"""


def test_roles_follow_from_split_and_domain(tmp_path: Path) -> None:
    assert [row[3:] for row in rows(tmp_path / "c.csv", SPLITS)] == [
        ("train", "street", "tops"),
        ("train", "shop", "tops"),
        ("query", "street", "bags"),
        ("gallery", "shop", "bags"),
        ("query", "street", "bags"),
        ("gallery", "shop", ""),
        ("val_query", "street", "bags"),
        ("val_gallery", "shop", "bags"),
    ]


def test_a_split_without_domain_gives_both_sides(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,split\n1.jpg,p,train\n2.jpg,p,test\n3.jpg,p,val\n")
    assert [row[3] for row in found] == ["train", "query+gallery", "val_query+val_gallery"]


def test_a_role_column_is_taken_at_its_word(tmp_path: Path) -> None:
    found = rows(
        tmp_path / "c.csv",
        "image,product,role,split\n1.jpg,p,train+gallery,test\n2.jpg,p,VAL_QUERY,train\n3.jpg,p,6,\n4.jpg,p,,\n",
    )
    assert [row[3] for row in found] == ["train+gallery", "val_query", "query+gallery", ""]


def test_unlabelled_rows_are_never_queries(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,domain\n1.jpg,,street\n2.jpg,,shop\n")
    assert [row[3] for row in found] == ["", "gallery"]
    found = rows(tmp_path / "c.csv", "image,product,role\n1.jpg,,train+query+gallery\n")
    assert [row[3] for row in found] == ["gallery"]


def test_boxes_and_whole_photos(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,x1,y1,x2,y2\n1.jpg,p,1,2,30.5,40\n2.jpg,p,,,,\n")
    assert [row[1] for row in found] == [(1, 2, 30.5, 40), None]


def test_semicolons_tabs_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    wanted = [("a, b.jpg", None, "p", "query+gallery", "shop", "")]
    assert rows(tmp_path / "a.csv", "\ufeffImage;Product \r\na, b.jpg;p\r\n\r\n") == wanted
    assert rows(tmp_path / "b.tsv", "image\tproduct\na, b.jpg\tp\n") == wanted
    assert rows(tmp_path / "c.csv", 'image,product\n"a, b.jpg",p\n') == wanted


def test_unknown_columns_are_allowed(tmp_path: Path) -> None:
    assert len(rows(tmp_path / "c.csv", "price,image,product\n3,a.jpg,p\n")) == 1


def test_repeats_are_dropped_with_their_roles_joined(tmp_path: Path) -> None:
    listing = read_table(write(tmp_path / "c.csv", "image,product,split\n1.jpg,p,train\n1.jpg,p,test\n1.jpg,q,test\n"))
    assert listing.repeats == 1
    assert [row[2:4] for row in plain(listing.rows)] == [("p", "train+query+gallery"), ("q", "query+gallery")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("photo,product\na.jpg,p\n", "lacks the column image; it has photo, product"),
        ("", "is empty; expected a header with the columns image and product"),
        ("image,product\n", "has no rows"),
        ("image,product\na.jpg,p,x\n", "line 2: has 3 cells, the header has 2"),
        ("image,product\n\na.jpg\n", "line 3: has 1 cells, the header has 2"),
        ("image,image,product\n", "duplicate column image"),
        ("image,product\n/etc/a.jpg,p\n", "line 2: photo '/etc/a.jpg': paths must be relative"),
        ("image,product\na.jpg,p\nb/../../a.jpg,p\n", "line 3: photo 'b/../../a.jpg': paths must be relative"),
        ("image,product\nb\\..\\a.jpg,p\n", "paths must be relative"),
        ("image,product\nC:\\a.jpg,p\n", "paths must be relative"),
        ("image,product\n,p\n", "line 2: photo '': not a path"),
        ("image,product,domain\na.jpg,p,web\n", "line 2: domain 'web'; expected street or shop"),
        ("image,product,split\na.jpg,p,holdout\n", "line 2: split 'holdout'; expected train, val or test"),
        ("image,product,role\na.jpg,p,quarry\n", "line 2: role 'quarry'; expected any of train, query, gallery"),
        ("image,product,role\na.jpg,p,32\n", "line 2: role '32'"),
        ("image,product,x1,y1,x2\na.jpg,p,1,2,3\n", "a box needs x1, y1, x2 and y2"),
        ("image,product,x1,y1,x2,y2\na.jpg,p,1,2,,4\n", "line 2: box ('1', '2', '', '4'); expected four numbers"),
        ("image,product,x1,y1,x2,y2\na.jpg,p,1,2,nan,4\n", "line 2: box"),
        ("image,product,x1,y1,x2,y2\na.jpg,p,1,2,1e999,4\n", "line 2: box"),
        ('image,product\n"a.jpg,p\n', "is not CSV"),
    ],
)
def test_a_wrong_table_names_the_line_and_what_was_expected(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FashretError, match=r"c\.csv") as caught:
        rows(tmp_path / "c.csv", content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_root_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path) -> None:
    table = write(tmp_path / "c.csv", "image,product\na.jpg,p\n")
    with pytest.raises(FashretError, match=r"^--root \S*nofolder: no such folder$"):
        crop.run(str(table), tmp_path / "c.crops.h5", CropOptions(root=tmp_path / "nofolder"))
    assert list(tmp_path.iterdir()) == [table]


def test_a_table_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(b"image,product\na.jpg,p\nb.jpg,\xe9\n")
    with pytest.raises(FashretError, match="line 3: is not UTF-8"):
        read_table(tmp_path / "c.csv")


def test_a_file_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="expected a table"):
        datasets.load(str(write(tmp_path / "c.xlsx", "")), CropOptions())


@settings(max_examples=100, deadline=None)
@given(
    header=st.permutations(["image", "product", "x1", "y1", "x2", "y2", "role", "split", "domain", "category"]),
    count=st.integers(0, 10),
    lines=st.lists(st.text(st.sampled_from('a1/.,"\n\r\t ;-x\0é'), max_size=30), max_size=4),
)
def test_any_table_gives_rows_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], count: int, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    try:
        found = rows(path, "\n".join([",".join(header[:count]), *lines]))
    except FashretError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < len(found) <= sum(len(line.splitlines()) + 1 for line in lines)
        assert all(row[0] and ".." not in row[0].split("/") for row in found)


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "image": ["1.jpg", "2.jpg", "3.jpg"],
        "product": [7, 7, None],
        "split": ["train", None, "test"],
        "x1": [1.5, None, None],
        "y1": [0, None, None],
        "x2": [9, None, None],
        "y2": [8, None, None],
        "vector": [[1.0], [2.0], [3.0]],
    }
    parquet.write_table(pa.table(columns), tmp_path / "c.parquet")
    assert plain(read_table(tmp_path / "c.parquet").rows) == [
        ("1.jpg", (1.5, 0, 9, 8), "7", "train", "shop", ""),
        ("2.jpg", None, "7", "query+gallery", "shop", ""),
        ("3.jpg", None, "", "gallery", "shop", ""),
    ]
    (tmp_path / "d.parquet").write_bytes(b"PAR1")
    with pytest.raises(FashretError, match=r"d\.parquet: is not a sound Parquet table"):
        read_table(tmp_path / "d.parquet")
    parquet.write_table(pa.table({"picture": [1]}), tmp_path / "e.parquet")
    with pytest.raises(FashretError, match="lacks the column image and product; it has picture"):
        read_table(tmp_path / "e.parquet")


# folders


def test_a_folder_of_products(tmp_path: Path) -> None:
    for name in ("shoe 1/street/b.JPG", "shoe 1/shop/a.jpg", "bags/red/shop/c.png", "bags/red/Street/d.webp"):
        photo(tmp_path / name)
    write(tmp_path / "shoe 1/street/notes.txt", "")
    assert plain(read_folder(tmp_path).rows) == [
        ("bags/red/Street/d.webp", None, "bags/red", "query", "street", ""),
        ("bags/red/shop/c.png", None, "bags/red", "gallery", "shop", ""),
        ("shoe 1/shop/a.jpg", None, "shoe 1", "gallery", "shop", ""),
        ("shoe 1/street/b.JPG", None, "shoe 1", "query", "street", ""),
    ]


def test_photos_outside_of_the_order_are_counted(tmp_path: Path) -> None:
    photo(tmp_path / "p/shop/a.jpg")
    photo(tmp_path / "cover.jpg")
    listing = read_folder(tmp_path)
    assert len(listing.rows) == 1
    assert list(listing.notes.values()) == [1]


def test_a_bare_folder_is_an_unlabelled_gallery(tmp_path: Path) -> None:
    photo(tmp_path / "b/a.jpg")
    photo(tmp_path / "c.jpg")
    photo(tmp_path / ".hidden.jpg")
    assert plain(read_folder(tmp_path).rows) == [
        ("b/a.jpg", None, "", "gallery", "shop", ""),
        ("c.jpg", None, "", "gallery", "shop", ""),
    ]


def test_every_kind_of_photo_is_taken(tmp_path: Path) -> None:
    names = [f"{i:02}{ending}" for i, ending in enumerate(EXTENSIONS)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "notes.pdf").touch()
    assert read_folder(tmp_path).rows.source.tolist() == names


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    photo(tmp_path / "far/x/a.jpg")
    photo(tmp_path / "far/x/below/b.jpg")
    (tmp_path / "lk").mkdir()
    (tmp_path / "lk/x").symlink_to(tmp_path / "far/x")
    listing = read_folder(tmp_path / "lk")
    assert listing.rows.source.tolist() == ["x/a.jpg", "x/below/b.jpg"] and not listing.notes
    assert listing.photos.present(listing.rows.source).all()


def test_links_in_a_circle_end_and_no_photo_is_listed_twice(tmp_path: Path) -> None:
    root = tmp_path / "root"
    photo(root / "p/shop/a.jpg")
    photo(tmp_path / "far/q/shop/b.jpg")
    (root / "p/self").symlink_to(root)
    (root / "a link").symlink_to(root / "p")
    (root / "far").symlink_to(tmp_path / "far")
    (tmp_path / "far/back").symlink_to(tmp_path)  # holds the root, and far again
    listing = read_folder(root)
    assert listing.rows.source.tolist() == ["far/q/shop/b.jpg", "p/shop/a.jpg"]
    assert listing.notes == {"linked folders left out: listed under another path": 2}


def test_a_folder_without_photos(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="no photo in this folder or below"):
        read_folder(tmp_path)


def test_a_folder_takes_no_root(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="is itself the root"):
        datasets.load(str(tmp_path), CropOptions(root=tmp_path))


# repeats


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 31)), max_size=12))
def test_drop_repeats_against_a_loop(triples: list[tuple[int, int, int, int]]) -> None:
    count = len(triples)
    box = np.array([[0, 0, 1 + b, 1] if b else [np.nan] * 4 for _, b, _, _ in triples], np.float32).reshape(-1, 4)
    columns = {
        "source": np.array([f"{s}.jpg" for s, _, _, _ in triples], object),
        "box": box,
        "product": np.array([f"p{p}" for _, _, p, _ in triples], object),
        "role": np.array([r for _, _, _, r in triples], np.uint8),
    }
    kept, dropped = drop_repeats(make_rows(count, **columns))
    seen: dict[tuple[int, int, int], int] = {}
    for s, b, p, r in triples:
        seen[s, b, p] = seen.get((s, b, p), 0) | r
    assert dropped == count - len(seen)
    assert kept.role.tolist() == list(seen.values())
    assert kept.source.tolist() == [f"{s}.jpg" for s, _, _ in seen]


def test_counts_that_differ_are_a_warning_with_both(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from fashret.stages import crop

    write(tmp_path / "Anno/list_bbox_inshop.txt", "0\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\n")
    write(tmp_path / "Eval/list_eval_partition.txt", "1\nimage_name item_id evaluation_status\nimg/a.jpg id_1 query\n")
    photo(tmp_path / "img/a.jpg")
    with caplog.at_level(logging.WARNING, "fashret"):
        crop.run("deepfashion-inshop", tmp_path / "out.h5", CropOptions(root=tmp_path))
    assert "photos: 1, expected 52,712" in caplog.text


def test_of_many_counts_that_differ_the_first_are_named(
    street2shop: Path,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    from fashret.stages import crop

    with caplog.at_level(logging.WARNING, "fashret"):
        crop.run("street2shop", street2shop / "out.h5", CropOptions(root=street2shop, max_errors=1))
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings[0] == "street2shop: query rows: 3, expected 8,637"
    assert len(warnings) == 6 and warnings[5] == "street2shop: 32 more counts differ; --check shows them all"


def test_a_catalogue_is_a_table_or_a_folder(tmp_path: Path) -> None:
    table = write(tmp_path / "c.csv", "image,product\na.jpg,p")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    assert [is_catalogue(tmp_path / name) for name in ("c.csv", "photos", "none.PARQUET", "a.h5")] == [True] * 3 + [
        False
    ]
    assert (
        read_catalogue(table).root == tmp_path
        and read_catalogue(table, tmp_path / "photos").root == tmp_path / "photos"
    )
    assert read_catalogue(tmp_path / "photos").rows.source.tolist() == ["a.jpg"]
    with pytest.raises(FashretError, match="photos is itself the root"):
        read_catalogue(tmp_path / "photos", tmp_path)
