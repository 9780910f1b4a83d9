"""Anybody's catalogue as a table: roles, boxes, repeats, and one line for what is wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashret.datasets import readers
from fashret.errors import FashretError
from fashret.files.crops import open_crops
from fashret.files.tables.catalogue_tables import read_table
from fashret.files.tables.catalogues import read_catalogue
from fashret.options import CropOptions
from fashret.stages import crop
from tests.dataset_case import plain, write
from tests.datasets.test_street2shop import root as street2shop  # noqa: F401


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


def test_unlabelled_rows_are_queries_only_if_a_role_says_so(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,domain\n1.jpg,,street\n2.jpg,,shop\n")
    assert [row[3] for row in found] == ["", "gallery"]
    found = rows(tmp_path / "c.csv", "image,product,role\n1.jpg,,train+query+gallery\n")
    assert [row[3] for row in found] == ["query+gallery"]


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
        ("photo,product\na.jpg,p\n", "lacks the column image (path of the photo); it has photo, product"),
        ("", "is empty; expected a header with the columns image and product"),
        ("image,product\n", "has no rows"),
        ("image,product\na.jpg,p,x\n", "line 2: has 3 cells, the header has 2"),
        ("image,product\n\na.jpg\n", "line 3: has 1 cell, the header has 2"),
        ("image,image,product\n", "duplicate column image"),
        ("image,product\n/etc/a.jpg,p\n", "line 2: photo '/etc/a.jpg': is not inside the root"),
        ("image,product\na.jpg,p\nb/../../a.jpg,p\n", "line 3: photo 'b/../../a.jpg': paths must be relative"),
        ("image,product\nb\\..\\a.jpg,p\n", "paths must be relative"),
        ("image,product\nC:\\a.jpg,p\n", "paths must be relative"),
        ("image,product\n,p\n", "line 2: the column image is empty; name the row's photo"),
        ("image,product,domain\na.jpg,p,shop\nb.jpg,p,\n", "line 3: the column domain is empty; write street or shop"),
        ("image,product,domain\na.jpg,p,web\n", "line 2: domain 'web'; expected street or shop"),
        ("image,product,split\na.jpg,p,holdout\n", "line 2: split 'holdout'; expected train, val or test"),
        ("image,product,role\na.jpg,p,quarry\n", "line 2: role 'quarry'; expected any of train, query, gallery"),
        ("image,product,role\na.jpg,p,32\n", "line 2: role '32'"),
        (f"image,product,role\na.jpg,p,{'9' * 5000}\n", "line 2: role '9999"),
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


@pytest.mark.parametrize(
    ("name", "said"),
    [("c.xlsx", "save the table as CSV; expected a table"), ("c.json", "save the table as CSV"),
     ("c.jpg", "is a photo; give its folder, or a table that names it in the column image; expected a table")],
)  # fmt: skip
def test_what_is_no_table_says_what_to_do(tmp_path: Path, name: str, said: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "c.jpg")
    (tmp_path / "c.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(FashretError, match=said):
        readers.load(str(tmp_path / name), CropOptions())
    with pytest.raises(FashretError, match="--root .*: is a file; give the folder that paths start from"):
        readers.load("c.csv", CropOptions(root=tmp_path / name))


def test_a_file_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(FashretError, match="expected a table"):
        readers.load(str(write(tmp_path / "c.xlsx", "")), CropOptions())


@settings(max_examples=100)
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
    with pytest.raises(
        FashretError,
        match=r"lacks the column image .* and product \(name of the product; cells may be empty\); it has picture",
    ):
        read_table(tmp_path / "e.parquet")


def test_one_line_among_many_that_is_not_utf8_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [b"image,product", *(f"{i}.jpg,p".encode() for i in range(200)), b"caf\xe9.jpg,p", b"last.jpg,\xc3\xa9"]
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    rows = read_table(tmp_path / "a.csv").rows
    assert len(rows) == 201 and rows.product[-1] == "é"
    assert "a.csv, line 202: is not UTF-8 text, and is left out, as are 0 more" in caplog.text
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines[:1] + lines[150:]))
    with pytest.raises(FashretError, match=r"a\.csv, line 53: is not UTF-8 text; save the table as UTF-8"):
        read_table(tmp_path / "a.csv")


def test_folders_that_a_windows_zip_left_in_names_count_as_folders(tmp_path: Path) -> None:
    for name in ("bag\\street\\1.jpg", "bag\\shop\\2.jpg"):
        (tmp_path / name).touch()
    rows = read_catalogue(tmp_path).rows
    assert sorted(zip(rows.source, rows.product, rows.role.tolist(), strict=True)) == [
        ("bag\\shop\\2.jpg", "bag", 4),
        ("bag\\street\\1.jpg", "bag", 2),
    ]


@pytest.fixture
def pandas_like(tmp_path: Path) -> Path:
    """What pandas writes for ids and boxes beside empty cells, for blanks, and for nullable columns."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    nan = float("nan")
    columns = {
        " Image ": [" 1.jpg", "2.jpg ", "3.jpg", "4.jpg"],
        "product": pa.array([108775015.0, nan, None, 7.0]),
        "category": pa.array(["tops ", None, "", "tops"]).dictionary_encode(),
        "role": pa.array([6.0, nan, 4.0, 1.0]),
        **{name: pa.array([value, nan, None, value]) for name, value in {"x1": 1.0, "y1": 2, "x2": 3, "y2": 4}.items()},
    }
    parquet.write_table(pa.table(columns), tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def test_tables_of_pandas(pandas_like: Path) -> None:
    assert plain(read_table(pandas_like).rows) == [
        ("1.jpg", (1, 2, 3, 4), "108775015", "query+gallery", "shop", "tops"),
        ("2.jpg", None, "", "", "shop", ""),
        ("3.jpg", None, "", "gallery", "shop", ""),
        ("4.jpg", (1, 2, 3, 4), "7", "train", "shop", "tops"),
    ]


def test_ids_that_pandas_wrote_to_csv(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,x1,y1,x2,y2\n1.jpg,108775015.0,,,,\n2.jpg,,nan,nan,nan,nan\n")
    assert [row[1:3] for row in found] == [(None, "108775015"), (None, "")]


def test_half_a_box_is_refused_in_parquet_as_in_csv(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    box = {"x1": [1.0], "y1": [float("nan")], "x2": [3.0], "y2": [4.0]}
    parquet.write_table(pa.table({"image": ["1.jpg"], "product": ["p"], **box}), tmp_path / "c.parquet")
    with pytest.raises(FashretError, match=r"row 0: box .*; expected four numbers, or four empty cells"):
        read_table(tmp_path / "c.parquet")
    with pytest.raises(FashretError, match=r"line 2: box .*; expected four"):
        rows(tmp_path / "c.csv", "image,product,x1,y1,x2,y2\n1.jpg,p,1,nan,3,4\n")


def test_a_table_that_a_spreadsheet_saved_as_unicode_text(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-16-be"):
        text = "image\tproduct\r\nGröße.jpg\t帽子\r\n"
        (tmp_path / "c.tsv").write_bytes(("\ufeff" * (encoding != "utf-16") + text).encode(encoding))
        assert [row[0::2][:2] for row in plain(read_table(tmp_path / "c.tsv").rows)] == [("Größe.jpg", "帽子")]
    (tmp_path / "c.tsv").write_bytes(b"\xff\xfei")
    with pytest.raises(FashretError, match="line 1: is not UTF-8 text; save the table as UTF-8"):
        read_table(tmp_path / "c.tsv")


@pytest.mark.parametrize("column", ["domain", "category", "role", "split", "x1", "bbox"])
def test_a_column_without_a_filled_cell_counts_as_absent(tmp_path: Path, column: str) -> None:
    expected = rows(tmp_path / "c.csv", "image,product\n1.jpg,p\n2.jpg,\n")
    for cell in ("", "  ", "NaN", "None"):
        assert rows(tmp_path / "c.csv", f"image,product,{column}\n1.jpg,p,{cell}\n2.jpg,,{cell}\n") == expected
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for cells in (pa.nulls(2), pa.array([float("nan"), None]), pa.array(["", "nan"])):
        parquet.write_table(
            pa.table({"image": ["1.jpg", "2.jpg"], "product": ["p", ""], column: cells}), tmp_path / "p"
        )
        (tmp_path / "p").rename(tmp_path / "c.parquet")
        assert plain(read_table(tmp_path / "c.parquet").rows) == expected


def test_the_size_of_a_photo_beside_an_empty_corner_is_no_box(tmp_path: Path) -> None:
    found = rows(tmp_path / "c.csv", "image,product,x,y,width,height\n1.jpg,p,,,400,300\n2.jpg,p,,,400,300\n")
    assert [row[1] for row in found] == [None, None]


def test_a_list_or_object_of_nothing_is_no_box(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    nan = float("nan")
    nothing = {"x": nan, "y": None, "w": None, "h": nan}
    for boxes in (
        [[nan] * 4, [None] * 4, [], [1.0, 2.0, 3.0, 4.0]],
        [nothing, nothing, None, dict(x=1, y=2, w=3, h=4)],
    ):
        columns = {"image": [f"{i}.jpg" for i in range(4)], "product": list("pppp"), "bbox": boxes}
        parquet.write_table(pa.table(columns), tmp_path / "c.parquet")
        assert [row[1] for row in plain(read_table(tmp_path / "c.parquet").rows)] == [None, None, None, (1, 2, 4, 6)]
    cells = ["[nan, nan, nan, nan]", "[null, null, null, null]", "[]", "[1, 2, 3, 4]"]
    found = rows(
        tmp_path / "c.tsv", "image\tproduct\tbbox\n" + "".join(f"{i}.jpg\tp\t{c}\n" for i, c in enumerate(cells))
    )
    assert [row[1] for row in found] == [None, None, None, (1, 2, 4, 6)]


def test_a_column_that_is_there_twice_is_one_line(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for names in (["image", "product", "product"], ["image", "product", "Image"]):
        table = pa.Table.from_arrays([pa.array(["a.jpg"])] * 3, names=names)
        parquet.write_table(table, tmp_path / "c.parquet")
        with pytest.raises(FashretError, match=f"c.parquet: duplicate column {names[2].lower()}$"):
            read_table(tmp_path / "c.parquet")
    with pytest.raises(FashretError, match="duplicate column product$"):
        rows(tmp_path / "c.csv", "image,product,Product\na.jpg,p,q\n")


def test_columns_without_a_name_are_not_read(tmp_path: Path) -> None:
    """What a spreadsheet leaves at the end of each line, and the index that pandas writes at its start."""
    expected = [("a.jpg", None, "p", "query+gallery", "shop", "")]
    assert rows(tmp_path / "c.csv", "image,product,,\na.jpg,p,,\n") == expected
    assert rows(tmp_path / "c.csv", ",image,product,\n0,a.jpg,p,\n") == expected


@pytest.mark.parametrize("inside", [True, False])
def test_pictures_inside_a_table(tmp_path: Path, inside: bool) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    colours = {"p": (200, 10, 10), "q": (10, 200, 10)}
    for name, colour in colours.items():
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    data = [(tmp_path / f"{name}.png").read_bytes() for name in colours]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = data if inside else pa.array([{"bytes": None, "path": "p.png"}, {"bytes": data[1], "path": None}], struct)
    parquet.write_table(pa.table({"image": cells, "product": list(colours)}), tmp_path / "c.parquet")
    assert read_table(tmp_path / "c.parquet").rows.source.tolist() == ["c.parquet#0", "c.parquet#1"]
    summary = crop.run(str(tmp_path / "c.parquet"), tmp_path / "o.h5", CropOptions(encoding="raw", size=8))
    assert (summary.crops, summary.failed) == (2, 0)
    with open_crops(tmp_path / "o.h5") as found:
        assert [tuple(found.image(i)[2, 2]) for i in range(2)] == list(colours.values())


def test_messages_are_short_however_long_a_cell_is(tmp_path: Path) -> None:
    long = "x" * 200_000
    texts = [
        f"image,product,domain\n1.jpg,p,{long[:100_000]}\n",
        f"image,product,role\n1.jpg,p,{long[:100_000]}\n",
        f"image,product,split\n1.jpg,p,{long[:100_000]}\n",
        f"image,product,x1,y1,x2,y2\n1.jpg,p,1,2,3,{long[:100_000]}\n",
        f"image,product\n/{long[:100_000]},p\n",
        f"image,product\n{long},p\n",
        f"image,{long}\n1.jpg,p\n",
    ]
    for text in texts:
        with pytest.raises(FashretError) as caught:
            rows(tmp_path / "c.csv", text)
        assert len(str(caught.value)) < 400 + len(str(tmp_path)), str(caught.value)[:100]


def test_a_hundred_thousand_columns_take_linear_time(tmp_path: Path) -> None:
    names, cells = ",".join(f"c{i}" for i in range(100_000)), "," * 100_000
    started = time.process_time()
    assert len(rows(tmp_path / "c.csv", f"image,product,{names}\n" + f"a.jpg,p{cells}\n" * 3)) == 1
    assert time.process_time() - started < 5
