"""The user's own CSV: read with errors that name the line, trained on, exported with its labels."""

import csv
import json

import pytest
from click.testing import CliRunner
from tests_support import texts_of_topics

from tinybert_l.cli.app import main
from tinybert_l.method.data import Table, load_table, read_table
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import TeacherRecipe


def write(path, rows, header=("body", "topic")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return Table(str(path), "body", "topic")


@pytest.fixture
def table(tmp_path) -> Table:
    return write(tmp_path / "my.csv", texts_of_topics())


def test_texts_are_split_without_overlap_and_labels_are_named(table):
    splits, names = load_table(table)
    assert names == ["food", "money", "sport"] and sum(map(len, splits.values())) == 140
    assert (len(splits["test"]), len(splits["validation"])) == (28, 14)
    assert not set(splits["train"].texts) & set(splits["test"].texts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,topic\na,b\n", "no column body; there are: text, topic"),
        (b"body,topic\na film,x\n ,y\n", "line 3: the text is empty"),
        (b"body,topic\na film,\n", "line 2: the label is empty"),
        (b"body,topic\na film\n", "line 2: the label is empty"),
        (b"body,topic\n", "no rows below the header"),
        (b"", "no column body, topic; there are: none"),
        ("body,topic\n一部电影,好\n".encode("gbk"), "not UTF-8"),
        (
            b'body,topic\n"' + b"x" * 10_000_000 + b'",y\n',
            "after line 1: field larger than field limit",
        ),
        (b'body,topic\n"never closed,y\n', "unexpected end of data"),
        (
            b"body,topic\n" + b"".join(b"film %d,same\n" % n for n in range(40)),
            "every label is 'same'",
        ),
        (b"body,topic\na,x\nb,y\n", "2 different texts; allowed: at least 20"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, content, message):
    (tmp_path / "my.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_table(Table(str(tmp_path / "my.csv"), "body", "topic"))


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    (tmp_path / "my.csv").write_bytes(b"\xef\xbb\xbfbody,topic\r\na film,x\r\n")
    assert read_table(Table(str(tmp_path / "my.csv"), "body", "topic")) == [("a film", "x")]


@pytest.mark.slow
def test_training_and_export_with_three_classes(table, tmp_path):
    options = ["--data", table.path, "--text-column", "body", "--label-column", "topic", "--quick"]
    trained = CliRunner().invoke(main, ["train", *options], catch_exceptions=False)
    assert trained.exit_code == 0 and "9 sub-models" in trained.output, trained.output
    done = CliRunner().invoke(
        main, ["export", "2x0.5", "--to", str(tmp_path / "out"), *options], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {
        "0": "food",
        "1": "money",
        "2": "sport",
    }
    assert "2 sport" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    recipe = TeacherRecipe(quick=True, epochs=1, table=table)
    assert (
        load_supernet(JointRecipe(num_steps=16, checkpoint_every=8), recipe).model.config.num_labels
        == 3
    )
