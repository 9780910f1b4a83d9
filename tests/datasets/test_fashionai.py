"""FashionAI's key points become boxes, and that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashret.datasets.fashionai import FEW, read
from fashret.datasets.flags import CropFlags
from fashret.errors import FashretError

HEADER = "image_id,image_category,neckline_left,hem_left,hem_right\n"


def write(root: Path, *lines: str, header: str = HEADER) -> None:
    (root / "Annotations").mkdir(exist_ok=True)
    (root / "Images" / "skirt").mkdir(parents=True, exist_ok=True)
    (root / "Images" / "skirt" / "1.jpg").write_bytes(b"x")
    (root / "Annotations" / "train.csv").write_text(header + "".join(line + "\n" for line in lines))


def test_the_box_is_the_one_round_the_points(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fashret")
    write(
        tmp_path,
        "Images/skirt/1.jpg,skirt,10_20_1,-1_-1_-1,30_60_0",
        "Images/skirt/2.jpg,skirt,10_20_1,-1_-1_-1,-1_-1_-1",
        "Images/blouse/3.jpg,blouse,5_6_1,1_9_1,8_2_0",
    )
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    listing = read(tmp_path, CropFlags())
    assert listing.rows.source.tolist() == ["Images/skirt/1.jpg", "Images/blouse/3.jpg"]
    assert listing.rows.box.tolist() == [[10, 20, 30, 60], [1, 2, 8, 9]]
    assert listing.rows.categories == ("blouse", "skirt") and listing.notes == {FEW: 1}
    assert "boxes are those round the key points, a little smaller than the garments" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg,skirt,10_20_1,nothing,30_60_0", 'train.csv, line 2: key point "nothing"; expected x_y_visible'),
        ("a.jpg,skirt,10_20_1", "line 2: has 3 cells, the header has 5"),
        ("../a.jpg,skirt,1_2_1,3_4_1,5_6_1", "stay inside"),
        ("../Images/skirt/1.jpg,skirt,1_2_1,3_4_1,5_6_1", "stay inside"),
        (f"{__file__},skirt,1_2_1,3_4_1,5_6_1", "line 2: .*paths must be relative to the root and stay inside"),
    ],
)
def test_nonsense_is_one_line(tmp_path: Path, line: str, message: str) -> None:
    write(tmp_path, line)
    with pytest.raises(FashretError, match=message):
        read(tmp_path, CropFlags())


def test_a_name_that_no_file_can_have_is_that_of_a_missing_photo(tmp_path: Path) -> None:
    write(tmp_path, f"{'a' * 300}.jpg,skirt,1_2_1,3_4_1,5_6_1")
    assert read(tmp_path, CropFlags()).rows.source.tolist() == ["a" * 300 + ".jpg"]


def test_a_folder_without_key_points_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, header="image,box\n")
    with pytest.raises(FashretError, match="holds no table with the columns image_id, image_category"):
        read(tmp_path, CropFlags())
