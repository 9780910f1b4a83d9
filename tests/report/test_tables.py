"""Tables in every form, with names that try to break out of it."""

import csv
import io
import json
import math
from dataclasses import replace

from fashret.report.tables import (
    Score,
    Table,
    printable,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
    write_tables,
)

NAN = float("nan")
TABLE = Table(
    "scores",
    "Scores of a_run",
    ("Category", "Queries", "mAP", "Acc@5", "mAP Δ"),
    (
        ("bags", 174, Score(0.548, 0.5, 0.6), Score(1 / 3, best=True), Score(0.021, change=True)),
        ("<b>|\x1b[31m\n\u202e$_%", 0, Score(NAN), Score(NAN), Score(NAN, change=True)),
        ("Average", 174, Score(0.548), Score(0.1), Score(-0.021, -0.05, 0.01, change=True)),
    ),
    (2,),
    ("A note.",),
)


def test_json_keeps_every_digit_and_says_what_is_undefined():
    made = json.loads(json.dumps(to_json(TABLE)))
    assert made["rows"][0] == {
        "Category": "bags", "Queries": 174, "mAP": 0.548, "mAP low": 0.5, "mAP high": 0.6, "Acc@5": 1 / 3,
        "mAP Δ": 0.021, "mAP Δ low": None, "mAP Δ high": None,
    }  # fmt: skip
    assert made["rows"][1]["mAP"] is None
    assert made["rows"][1]["Category"] == "<b>|\x1b[31m\n\u202e$_%"
    assert made["notes"] == ["A note."]


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert [row["Category"] for row in rows] == [row[0] for row in TABLE.rows]
    assert float(rows[0]["Acc@5"]) == 1 / 3
    assert rows[1]["mAP"] == "" and rows[2]["mAP Δ low"] == "-0.05"


def test_every_row_of_csv_names_its_table():
    text = write_tables([TABLE, replace(TABLE, name="scores of b, c")], "csv")
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    assert [line[0] for line in lines] == ["table", *["scores"] * 3, "table", *["scores of b, c"] * 3]
    assert {len(line) for line in lines} == {1 + len(TABLE.columns) + 4}


def test_markdown_escapes_names_and_marks_the_best():
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**Scores of a\\_run**"
    assert lines[3] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| bags | 174 | 54.8 (50.0–60.0) | **33.3** | +2.1 |"
    assert lines[5] == "| &lt;b&gt;\\|\\\\x1b\\[31m\\\\n\\\\u202e$\\_% | 0 | – | – | – |"
    assert lines[6].endswith("| −2.1 (−5.0…+1.0) |")


def test_latex_escapes_names_and_draws_the_section():
    text = to_latex(TABLE)
    back = r"\textbackslash{}"
    assert rf"<b>|{back}x1b[31m{back}n{back}u202e\$\_\% & 0 & -- & -- & -- \\" in text
    assert r"\textbf{33.3}" in text and r"$-$2.1" in text
    assert text.count(r"\midrule") == 2
    assert r"Scores of a\_run. A note." in text


def test_a_row_of_latex_does_not_begin_like_an_argument_of_the_line_before():
    rows = tuple((name, 1, *[Score(0.5)] * 3) for name in ("a", "[1cm]", "*", "b [c]"))
    lines = to_latex(replace(TABLE, rows=rows)).splitlines()
    assert [line.partition(" &")[0] for line in lines if line.count("&") == 4][1:] == ["a", "{}[1cm]", "{}*", "b [c]"]


def test_csv_holds_no_formulas_unless_they_are_asked_for():
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "a=b", "'=1", "a\rb", "a\nb", ""]
    guarded = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", r"'\r=1", "a=b", "'=1", r"a\rb", "a\nb", ""]
    rows = tuple((name, 1, Score(0.5), Score(0.5), Score(-0.5, change=True)) for name in names)
    table = replace(TABLE, name="=x", columns=("=Category", *TABLE.columns[1:]), rows=rows)
    read = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert [row[1] for row in read] == ["'=Category", *guarded]
    assert read[1][0] == "'=x" and float(read[1][-1]) == -0.5
    left = list(csv.reader(io.StringIO(write_tables([table], "csv with formulas"), newline="")))
    assert [row[1] for row in left] == ["=Category", *(name.replace("\r", r"\r") for name in names)]


def test_printable_keeps_what_scripts_need_and_shows_what_steers():
    assert printable("می\u200cخواهم") == "می\u200cخواهم"
    assert printable("a\u202eb\u2066c\x07d\ue000e") == r"a\u202eb\u2066c\x07d\ue000e"
    assert printable("  a \t b\r\n") == r"a \t b\r\n"
    assert len(printable("x" * 4000)) == 48


def test_a_change_that_is_undefined_has_no_sign():
    assert str(Score(math.nan, change=True)) == "–"
    assert str(Score(0.0, change=True)) == "+0.0"


def test_several_tables_make_one_text():
    assert write_tables([TABLE, TABLE], "markdown").count("| bags |") == 2
