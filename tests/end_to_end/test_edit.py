"""`packshot edit` and `packshot verify` as a person runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from editing_fakes import installed, product_photo

from packshot.cli import main
from packshot.images import encode_webp, open_layers, save_picture

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, in a folder with one photo: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    save_picture(product_photo(), tmp_path / "photo.png")

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return command


def steps(path: str) -> list[tuple[str, dict]]:
    document = json.loads(Path(f"{path}.certificate.json").read_text())
    return [(step["op"], step["arguments"]) for step in document["steps"] if not step["inserted"]]


def files() -> list[str]:
    return sorted(str(path) for path in Path(".").rglob("*") if path.is_file())


def test_one_photo_becomes_one_picture_with_a_certificate_that_verifies(run: Run) -> None:
    status, out, _ = run("edit", "photo.png", "--background", "grey:128", "--out", "made/new.png")
    assert status == 0 and "2,016 of 2,016 kept pixels identical" in out and "cutout (put in), background" in out
    assert files() == ["made/new.png", "made/new.png.certificate.json", "photo.png"]
    status, out, _ = run("verify", "made/new.png", "--original", "photo.png")
    assert status == 0 and out.startswith("agrees: cutout (put in), background: 2,016 of 2,016 kept pixels identical")
    save_picture(product_photo(seed=1), Path("other.png"))
    status, out, err = run("verify", "made/new.png", "--original", "other.png")
    assert status == 1 and "original.sha256" in out and not err
    certificate = Path("made/new.png.certificate.json")
    certificate.rename("moved.json")
    status, out, err = run("verify", "made/new.png", "--original", "photo.png", "--certificate", "moved.json", "--json")
    assert status == 0 and json.loads(out)["agrees"] is True
    assert run("verify", "made/new.png", "--original", "photo.png")[0] == 2


def test_operations_are_applied_in_the_order_given_and_may_be_repeated(run: Run) -> None:
    words = ("--text", "a b", "--crop", "3", "--text=c size=4", "--cutout", "--exposure", "-1", "--crop", "2 top=1")
    assert run("edit", *words, "photo.png", "--out", "o.png")[0] == 0
    assert steps("o.png") == [
        ("text", {"words": "a b"}),
        ("crop", {"left": 3}),
        ("text", {"words": "c", "size": 4.0}),
        ("cutout", {}),
        ("exposure", {"stops": -1.0}),
        ("crop", {"left": 2, "top": 1}),
    ]
    assert run("edit", "photo.png", "--crop", "3", "--exposure", "1", "--out", "p.png")[0] == 0
    assert [name for name, _ in steps("p.png")] == ["crop", "exposure"]
    assert run("edit", "photo.png", "--exposure", "1", "--crop", "3", "--out", "p.png")[0] == 0
    assert [name for name, _ in steps("p.png")] == ["exposure", "crop"]


def test_an_operation_that_can_do_without_a_value_may_stand_before_a_photo(run: Run) -> None:
    assert run("edit", "--out", "o.png", "--cutout", "photo.png")[0] == 0
    assert steps("o.png") == [("cutout", {})]
    assert run("edit", "photo.png", "--out", "o.png", "--cutout", "large", "--crop")[0] == 0
    assert steps("o.png") == [("cutout", {"pack": "large"}), ("crop", {})]
    assert run("edit", "photo.png", "--out", "o.png", "--cutout=photo.png")[0] == 0
    assert steps("o.png") == [("cutout", {"pack": "photo.png"})]


def test_a_pipeline_is_saved_and_read_in_its_place(run: Run) -> None:
    assert run("edit", "photo.png", "--text", "a", "--crop", "1", "--out", "o.png", "--save-pipeline", "p.toml")[0] == 0
    assert run("edit", "photo.png", "--cutout", "--pipeline", "p.toml", "--text", "z", "--out", "q.png")[0] == 0
    assert [name for name, _ in steps("q.png")] == ["cutout", "text", "crop", "text"]
    assert run("edit", "photo.png", "--pipeline", "p.toml", "--out", "r.png")[0] == 0
    assert Path("r.png").read_bytes() == Path("o.png").read_bytes()


def test_a_folder_keeps_names_and_places_resumes_and_lists_what_failed(run: Run) -> None:
    folder = Path("in/shoes")
    folder.mkdir(parents=True)
    for seed, name in enumerate(("in/a.png", "in/b.jpg", "in/shoes/a.PNG")):
        save_picture(product_photo(seed=seed), Path(name))
    Path("in/broken.jpg").write_bytes(Path("in/b.jpg").read_bytes()[:400])
    Path("in/lie.png").write_text("I am a text")
    Path("in/notes.txt").write_text("no photo")
    Path("in/.hidden.png").write_text("no photo")
    status, _, err = run("edit", "in", "--background", "grey:9", "--out", "out")
    assert status == 1 and "2 of the photos failed, listed in out/failures.jsonl" in err
    made = ["out/a.png", "out/b.png", "out/shoes/a.png"]
    written = [*made, *(f"{name}.certificate.json" for name in made), "out/failures.jsonl"]
    assert [name for name in files() if name.startswith("out/")] == sorted(written)
    rows = [json.loads(line) for line in Path("out/failures.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["in/broken.jpg", "in/lie.png"]
    assert all("\n" not in row["error"] and "accepted" in row["error"] for row in rows)
    before = {name: Path(name).stat().st_mtime_ns for name in made}
    Path("in/broken.jpg").unlink()
    Path("in/lie.png").unlink()
    Path("out/b.png").write_bytes(b"half a pic")  # not what its certificate is about: made again
    status, out, _ = run("edit", "in", "--background", "grey:9", "--out", "out")
    assert status == 0 and out.count("was there already") == 2 and not Path("out/failures.jsonl").exists()
    after = {name: Path(name).stat().st_mtime_ns for name in made}
    assert [name for name in made if before[name] != after[name]] == ["out/b.png"]
    assert run("edit", "in", "--background", "grey:10", "--out", "out")[1].count("was there already") == 0
    save_picture(product_photo(seed=9), Path("in/a.png"))
    assert run("edit", "in", "--background", "grey:10", "--out", "out")[1].count("was there already") == 2


def test_several_workers_make_the_same_files(run: Run) -> None:
    Path("in").mkdir()
    for seed in range(5):
        save_picture(product_photo(seed=seed), Path(f"in/{seed}.png"))
    assert run("edit", "in", "--background", "grey:9", "--out", "one", "--workers", 1)[0] == 0
    assert run("edit", "in", "--background", "grey:9", "--out", "four", "--workers", 4)[0] == 0
    for path in Path("one").iterdir():
        assert path.read_bytes() == (Path("four") / path.name).read_bytes()


def test_a_results_folder_inside_the_photos_is_not_taken_for_photos(run: Run) -> None:
    for _ in range(2):
        assert run("edit", ".", "--cutout", "--out", "edited")[0] == 0
        assert files() == ["edited/photo.png", "edited/photo.png.certificate.json", "photo.png"]


def test_photos_of_one_stem_keep_their_whole_names(run: Run) -> None:
    save_picture(product_photo(seed=1), Path("photo.jpg"))
    assert run("edit", "photo.png", "photo.jpg", "--cutout", "--out", "o", "--format", "webp")[0] == 0
    assert [name for name in files() if name.endswith(".webp")] == ["o/photo.jpg.webp", "o/photo.png.webp"]


def test_colourways_are_one_picture_each(run: Run) -> None:
    status, out, _ = run("edit", "photo.png", "--colourways", "#aa0000, navy", "--out", "o.png", "--json")
    assert status == 0
    assert [row["file"] for row in json.loads(out)["pictures"]] == ["o-aa0000.png", "o-navy.png"]
    assert steps("o-navy.png") == [("recolour", {"to": "navy"})]
    assert run("verify", "o-navy.png", "--original", "photo.png")[0] == 0
    assert run("edit", "photo.png", "--colourways", "navy,  #aa0000", "--out", "o.png")[1].count("there already") == 2


def test_a_broken_promise_fails_the_command_and_leaves_nothing(run: Run) -> None:
    status, _, err = run("edit", "photo.png", "--cutout", "--badge", "New", "--out", "o.png")
    assert status == 1 and len(err.strip().splitlines()) == 1 and "promise is broken" in err
    assert files() == ["photo.png"]
    Path("in").mkdir()
    save_picture(product_photo(), Path("in/a.png"))
    status, _, err = run("edit", "in", "--badge", "New", "--out", "out")
    assert status == 1 and "promise is broken" in err
    assert files() == ["in/a.png", "out/failures.jsonl", "photo.png"]


def test_a_sheet_shows_before_and_after(run: Run) -> None:
    assert run("edit", "photo.png", "--cutout", "--out", "o.png", "--sheet", "s.png")[0] == 0
    assert open_layers(Path("s.png"), where="s").rgb.shape[1] > 2 * 80


def test_alpha_is_taken_as_a_cut_out_and_kept(run: Run) -> None:
    clear = np.dstack([product_photo(), np.full((60, 80), 255, np.uint8)])
    clear[:20, :, 3] = 0
    Path("clear.webp").write_bytes(encode_webp(clear))
    assert run("edit", "clear.webp", "--background", "grey:7", "--out", "o.png")[0] == 0
    made = open_layers(Path("o.png"), where="o").rgb
    assert (made[:20] == 7).all() and (made[20:] == clear[20:, :, :3]).all()
    assert run("edit", "clear.webp", "--crop", "1", "--out", "c.png")[0] == 0
    assert (open_layers(Path("c.png"), where="c").alpha == clear[:, 1:, 3]).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("photo.png", "--out", "o.png"), "edit: got no operation; accepted: --cutout, --background"),
        (("photo.png", "--cutout"), "--out"),
        (("--cutout", "--out", "o.png"), "PHOTO"),
        (("none.png", "--cutout", "--out", "o.png"), "none.png: got no such file"),
        (("photo.png", "--cutout", "--out", "photo.png"), "which is a photo itself; accepted: another name"),
        (("photo.png", "--cutout", "--out", "link.png"), "which is a photo itself"),
        (("photo.png", "--cutout", "--out", "."), "which is a photo itself"),
        ((".", "--cutout", "--out", "."), "the folder of the photos"),
        (("photo.png", "link.png", "--cutout", "--out", "o.png"), "the file o.png for 2 photos; accepted: a folder"),
        (("photo.png", "photo.png", "--cutout", "--out", "o"), "two photos for"),
        (("empty", "--cutout", "--out", "o"), "folders without a picture"),
        (("photo.png", "--cutout", "--out", "o.gif"), "--out: got the suffix '.gif'; accepted: .png"),
        (("photo.png", "--cutout", "--out", "o.jpg"), "a transparent picture"),
        (("photo.png", "--cutout", "--out", "text/o"), "text"),
        (("photo.png", "--cutout", "--out", "o", "--format", "gif"), "--format: got 'gif'"),
        (("photo.png", "--cutout", "--out", "o.png", "--format", "jpg"), "--format"),
        (("photo.png", "--cutout", "--out", "o.webp", "--quality", "0"), "--quality: got 0; accepted: 1 to 100"),
        (("photo.png", "--cutout", "--out", "o", "--workers", "0"), "--workers"),
        (("photo.png", "--backgroun", "grey:1", "--out", "o.png"), "--background"),
        (("photo.png", "--background", "grey:1 angel=3", "--out", "o.png"), "did you mean 'angle'?"),
        (("photo.png", "--background", "pink", "--out", "o.png"), "background.to: got 'pink'"),
        (("photo.png", "--background", "", "--out", "o.png"), "background.to: got nothing"),
        (("photo.png", "--background", "--out", "o.png"), "Missing option '--out'"),
        (("photo.png", "--background"), "--background"),
        (("photo.png", "--crop", "x", "--out", "o.png"), "crop.left: got 'x'; accepted: a whole number"),
        (("photo.png", "--pipeline", "none.toml", "--out", "o.png"), "none.toml"),
        (("photo.png", "--colourways", " , ", "--out", "o.png"), "--colourways"),
        (("photo.png", "--colourways", "red prt=all", "--out", "o.png"), "did you mean 'part'?"),
        (("photo.png", "--colourways", "red,red", "--out", "o.png"), "each once"),
        (("text", "--cutout", "--out", "o.png"), "text: got no picture of a known kind"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2_and_writes_nothing(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    Path("text").write_text("I am no picture")
    Path("empty").mkdir()
    os.link("photo.png", "link.png")
    there = files()
    status, out, err = run("edit", *arguments)
    assert (status, out) == (2, ""), err
    assert said in err and len(err.strip().splitlines()) == 1 and len(err) < 1000
    assert files() == there


def test_the_line_says_how_much_of_the_product_is_glass(run: Run) -> None:
    said = "kept pixels identical; 50 % of the product is glass and exempt"
    status, out, _ = run("edit", "photo.png", "--cutout", "glass=auto", "--background", "grey:128", "--out", "o.png")
    assert status == 0 and said in out
    status, out, _ = run("verify", "o.png", "--original", "photo.png")
    assert status == 0 and said in out
    assert "glass" not in run("edit", "photo.png", "--background", "grey:128", "--out", "p.png")[1]


def test_verify_tells_a_users_mistake_from_a_disagreement(run: Run) -> None:
    run("edit", "photo.png", "--cutout", "--out", "o.png")
    assert run("verify", "o.png", "--original", "none.png")[0] == 2
    Path("c.json").write_text('{"format": 2}')
    status, _, err = run("verify", "o.png", "--original", "photo.png", "--certificate", "c.json")
    assert status == 2 and len(err.splitlines()) == 1
    Path("o.png").write_text("no picture")
    assert run("verify", "o.png", "--original", "photo.png")[0] == 2


def test_help_lists_each_operation_with_the_first_line_of_its_description(run: Run) -> None:
    status, out, _ = run("edit", "--help")
    assert status == 0
    for words in ("--background", "A grey behind the product", "angle=90", "--crop", "[LEFT]", "--save-pipeline"):
        assert words in out


def test_without_opencv_one_line_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.cli_edit.find_spec", lambda name: None)
    for arguments in (("edit", "photo.png", "--cutout", "--out", "o.png"), ("verify", "photo.png", "--original", "x")):
        status, _, err = run(*arguments)
        assert status == 2 and "pip install 'packshot[edit]'" in err and len(err.splitlines()) == 1
