"""Whatever packshot says, it says in Chinese, too: every message of the source, every verdict, every repair."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

import pytest
from messages import SOURCE, Message, is_chinese, messages, returned

from packshot.phrases import HOLE, LONGEST, chinese, phrases, put
from packshot.phrases import _table as table

VERDICTS: dict[str, tuple[int | str, ...]] = {
    "Judgement": (1, 2, 3, "measured", "accepted", "why"), "_replace": ("why",), "NotFramedError": (0,),
    "NotEncodedError": (0,), "_insist": (1,),
}  # fmt: skip
FAILURES: dict[str, tuple[int | str, ...]] = {
    "_Lost": (0,), "BadRow": (2,), "Damaged": (0,), "RefusedError": (0,), "NotStagedError": (0,),
    "WorkerDiedError": (0,),
}  # fmt: skip
ERRORS: dict[str, tuple[int | str, ...]] = {
    **{f"{kind}Error": (1, 2) for kind in ("Request", "Input", "Output", "Pack", "MissingExtra", "Unsafe")},
    "ProblemError": (2,), "not_found": (0,),
}  # fmt: skip

ROOMS = ("images.py", "packs.py", "prompt.py", "catalogue", "editing", "generation", "listing", "provenance", "safety",
         "server")  # fmt: skip
"""What the page, `check`, `listing` and `verify` can say."""
OPERATORS = {
    *(f"listing/{name}.py" for name in ("database", "executors", "preparing", "ray_pool", "readiness", "rejecting",
                                        "remote", "sets", "signing")),
    *(f"server/{name}.py" for name in ("courier", "database", "hooks", "replicas", "running", "settings")),
    "listing/channels.py", "provenance/policy.py", "safety/rules.py", "safety/log.py", "server/security/keys.py",
    "server/security/scopes.py", "generation/backends.py",
    "server/api/images.py", "server/openai_words.py", "server/masks.py",
}  # fmt: skip
"""Files whose errors only an operator meets, on a command line: files of rules, databases, clusters, keys; and
OpenAI's interface, whose programs speak English."""


TELLING = (
    "catalogue/delimited", "catalogue/readers", "editing/certificate", "editing/foresight", "editing/telling", "images",
    "listing/canvas", "listing/columns", "listing/intake", "listing/judge_file", "listing/judge_pixels",
    "listing/photos", "listing/plan", "listing/rejecting", "listing/repair", "listing/run", "listing/spreadsheet",
    "listing/tables", "provenance/reading", "server/tasks/listing", "server/tasks/processes", "server/tasks/training",
)  # fmt: skip
"""Files whose functions give back what people read: why a photo is lost, what a certificate proves."""


def in_english(found: Iterable[Message]) -> list[str]:
    """Messages that have words and no Chinese for them, be the holes filled with numbers or with known names."""
    samples = ["7", *(next(iter(some)) for some in table().names.values())]
    telling = [one for one in found if re.search("[A-Za-z]{2}", one.template.replace("{}", ""))]
    return sorted(
        f"{one.place}: {one.template!r} -> {chinese(one.template.replace('{}', '7'))!r}"
        for one in telling
        if not any(is_chinese(chinese(one.template.replace("{}", sample))) for sample in samples)
    )


def of(rooms: Iterable[str], calls: Mapping[str, Iterable[int | str]]) -> list[Message]:
    """The messages of these rooms or files."""
    files = [
        path for room in rooms for path in ([SOURCE / room] if "." in room else sorted((SOURCE / room).rglob("*.py")))
    ]
    found = [message for path in files for message in messages(path, calls)]
    return [one for one in found if one.place.partition(":")[0] not in OPERATORS]


def test_every_failure_of_a_listing_in_the_source_has_chinese() -> None:
    found = of(["listing", "catalogue/delimited.py", "catalogue/columnar.py"], FAILURES)
    assert len(found) > 30
    assert in_english(found) == []


def test_every_sentence_that_is_put_together_in_the_source_has_chinese() -> None:
    found = [message for name in TELLING for message in returned(SOURCE / f"{name}.py")]
    assert len(found) > 60
    assert in_english(found) == []


def test_every_refusal_in_the_source_has_chinese() -> None:
    found = of(ROOMS, ERRORS)
    assert len(found) > 700
    assert in_english(found) == []


def test_every_verdict_and_repair_in_the_source_has_chinese() -> None:
    found = of(["listing"], VERDICTS)
    assert len(found) > 60
    assert in_english(found) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("two pieces in a row", None),
        ("3 pass, 1 fail", "3 项合格、1 项不合格"),
        ("unsure items: 2 separate pieces; accepted: up to 1; look at it yourself",
         "存疑 商品件数：2 个独立部分；要求：≤1；请人工查看"),
        ("fail format: PNG; accepted: JPEG (as reported)", "不合格 格式：PNG；要求：JPEG（据转述）"),
        ("the photo cuts the product off at the top and left", "照片把主体切掉了（上和左）"),
        ("amazon-main, taobao-white", None),
        ("png, jpg or webp", "png、jpg或webp"),
        ("'salt and pepper'", "“salt and pepper”"),
        ("12.5 KB", None),
    ],
)  # fmt: skip
def test_lines_are_put_together_of_phrases(text: str, said: str | None) -> None:
    assert chinese(text) == (text if said is None else said)


@pytest.mark.parametrize("bit", [": got ; accepted: ", " made by ' (", "' and '", "; a, b or c", "the photo '' "])
def test_a_text_that_is_made_to_look_like_many_phrases_costs_little(bit: str) -> None:
    began = time.process_time()
    said = chinese(f"prompt: got '{(bit * LONGEST)[: LONGEST - 40]}'; accepted: 1 to 5")
    assert is_chinese(said.partition("收到")[0]) and time.process_time() - began < 3
    assert chinese("no title; " * LONGEST) == "no title; " * LONGEST


def test_no_phrase_is_taken_for_another() -> None:
    names = {**table().names, "n": {"7": "7"}, "latin": {"oak": "oak"}, "han": {"橡木": "橡木"}, "quoted": {"a": "a"}}
    wrong = {}
    for english, text in phrases().items():
        kinds = HOLE.findall(english)
        assert set(kinds) <= {"", *names}, english
        parts = [next(iter(names[kind])) if kind else f"§{place}" for place, kind in enumerate(kinds)]
        told = [names[kind][part] if kind else part for kind, part in zip(kinds, parts, strict=True)]
        if (said := chinese(put(HOLE.sub("{}", english), parts))) != put(text, told):
            wrong[english] = said
    assert wrong == {}


def test_every_phrase_is_chinese_and_says_no_more_than_the_english() -> None:
    for english, text in phrases().items():
        assert is_chinese(HOLE.sub("7", text)), text
        count = len(HOLE.findall(english))
        numbers = [int(number) for number in HOLE.findall(text) if number]
        assert all(number < count for number in numbers), english
        assert numbers or len(HOLE.findall(text)) in (0, count), english
