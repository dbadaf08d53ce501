"""`packshot check` and `packshot listing`: pictures against the rules of marketplaces, and whole catalogues of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from packshot.cli_shared import (
    SafetyFile,
    SafetyLog,
    Speech,
    Spoken,
    dump,
    guarded,
    language_of,
    tell_unchecked,
    writable_folder,
)
from packshot.errors import InputError, OutputError, PackshotError, RequestError
from packshot.phrases import Language, in_language

if TYPE_CHECKING:
    from packshot.listing.channels import Channel
    from packshot.listing.measures import Look
    from packshot.listing.repair import Repair
    from packshot.listing.report import Report
    from packshot.listing.run import Job, Tally
    from packshot.listing.verdicts import Verdict


def add_commands(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(check)
    app.command()(listing)


def check(
    pictures: Annotated[list[Path] | None, typer.Argument(metavar="PICTURE...", help="Pictures, or folders.")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[,NAME...]", help="amazon-main, taobao-white, shopify …; --explain lists all."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired, into --out.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the repaired pictures; of several channels, one folder in it for each."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Your own rules over ours, a TOML file; or the variable PACKSHOT_CHANNELS.")
    ] = None,
    language: Spoken = "en",
    strict: Annotated[bool, typer.Option("--strict", help="What one can't be sure of counts as failed.")] = False,
    certificate: Annotated[bool, typer.Option(help="With --fix: write a certificate beside each picture.")] = True,
    explain: Annotated[bool, typer.Option("--explain", help="Print the rules with their sources, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each picture.")] = False,
) -> None:
    """Check pictures against the rules of marketplaces; exit 0 where all pass, 1 where some fail.

    With --fix each picture that can be repaired is written to --out, checked again; the original is never touched.
    """
    from packshot.listing.channels import find_channel, load_channels

    spoken = language_of(language)
    known = load_channels(rules)
    names = [name.strip() for text in channel or [] for name in text.split(",")]
    wanted = [find_channel(name, known) for name in dict.fromkeys(names)]
    if explain:
        _explain(wanted or list(known.values()), spoken, as_json)
        return
    if not wanted:
        raise RequestError("--channel", "nothing", ", ".join(known))
    if fix is (out is None):
        raise RequestError("--out", "--fix without it" if fix else "--out without --fix", "both, or neither")
    _need_opencv()
    found = _pictures(pictures or [], out)
    good = True
    for path, name in found:
        targets = {one.name: None if out is None else (out / one.name if len(wanted) > 1 else out) / name
                   for one in wanted}  # fmt: skip
        for row in _rows(path, wanted, targets, certificate and fix, alone=len(found) == 1):
            good &= _tell(row, spoken, strict, as_json, brief=len(found) > 1)
    if not good:
        raise typer.Exit(1)


def listing(
    catalogue: Annotated[str, typer.Argument(help="Table of products: CSV, XLSX, JSON lines, a database's URL …")],
    channels: Annotated[str, typer.Option(metavar="NAME[,NAME...]", help="amazon-main, taobao-main, shopify …")],
    out: Annotated[str, typer.Option(help="Folder of the run, or s3://bucket/folder; repeat the command to resume.")],
    photos: Annotated[
        str | None, typer.Option(help="Folder of the photos, or s3://bucket/folder; without, that of the table.")
    ] = None,
    words_only: Annotated[bool, typer.Option("--words-only", help="No product has a photo: draw all.")] = False,
    columns: Annotated[str, typer.Option(help="Where a column is not guessed: title=品名,photo=图片.")] = "",
    sheet: Annotated[str | None, typer.Option(help="Of a workbook.")] = None,
    query: Annotated[str | None, typer.Option(help="Of a database: a table's name or a SELECT.")] = None,
    sets: Annotated[Path | None, typer.Option(help="TOML file of your own sets of pictures.")] = None,
    rules: Annotated[Path | None, typer.Option(help="TOML file of your own rules of channels.")] = None,
    policy: Annotated[Path | None, typer.Option(help="TOML file of your own rules of labels.")] = None,
    producer: Annotated[
        str, typer.Option(help="Your name or code: ContentProducer of AIGC labels.", envvar="PACKSHOT_PRODUCER")
    ] = "",
    cert: Annotated[
        Path | None, typer.Option(help="PEM: your certificate for content credentials and its chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM: its private key; every worker reads it there.")] = None,
    algorithm: Annotated[str, typer.Option(help="Of the key: es256, es384, es512, ps256, ed25519 …")] = "es256",
    template: Annotated[str, typer.Option(help="Names of the files; if empty {sku}/{channel}/{role}-{n}.{ext}.")] = "",
    backend: Annotated[str, typer.Option(help="Draws products that have no photo.")] = "embedded",
    pack: Annotated[str, typer.Option(help="Of the back-end.")] = "base",
    executor: Annotated[str, typer.Option(help="local: processes on this machine; ray: a cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The cluster's head; without, Ray is started here.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 for one on each core.")] = 0,
    safety: SafetyFile = None,
    safety_log: SafetyLog = None,
    only_failures: Annotated[
        bool, typer.Option("--only-failures", help="Try again what stands in failures.jsonl, and nothing else.")
    ] = False,
    rejected: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take these pictures out; index.html saves such a file.")
    ] = None,
    remake: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make these pictures anew, with another seed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print counts and an estimate; write nothing.")] = False,
    tell_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Between two lines on how far it is, where no terminal is.")
    ] = 30.0,
    language: Spoken = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make each product's pictures for each channel; exit 0 where all were made, 1 where some are missing.

    Killed at any moment, the same command goes on: manifest.jsonl says what is there, failures.jsonl what is not.
    index.html shows it all; what is marked there can be taken out or made anew.
    """
    _need_opencv()  # before the rooms that import it
    from packshot.listing.executors import Workforce
    from packshot.listing.preparing import Wanted, prepare
    from packshot.listing.rejecting import read_orders
    from packshot.listing.run import foreseen, run
    from packshot.safety import current

    speech = Speech(language_of(language))
    workforce = Workforce(executor, workers, ray_address)
    orders = read_orders(rejected, remake)
    names = tuple(dict.fromkeys(name.strip() for name in channels.split(",")))
    wanted = Wanted(catalogue, names, out, photos, words_only, columns, sheet, query, sets, rules, policy, producer,
                    template, backend, pack, cert, key, algorithm,
                    guarded(safety, safety_log).choice)  # fmt: skip
    job, lines = prepare(wanted)
    for line in lines:
        speech.say(line)
    if dry_run:
        size = workforce.size()
        _tell_plan(foreseen(job, workers=size, only_failures=only_failures, orders=orders), speech, as_json)
        return
    tell_unchecked(current())
    told, aside = _Told(speech, tell_every), speech.aside
    with redirect_stdout(sys.stderr):  # what Ray says of its machines is no part of our answer
        tally = run(job, workforce=workforce, only_failures=only_failures, orders=orders, progress=told, tell=aside)
    _tell_run(job, tally, speech, as_json)
    if not tally.clean:
        raise typer.Exit(1)


class _Told:
    """Prints how far a run is: in place on a terminal, now and then elsewhere."""

    def __init__(self, speech: Speech, seconds: float) -> None:
        self.speech, self.terminal, self.last = speech, sys.stderr.isatty(), 0.0
        self.seconds = 0.2 if self.terminal else seconds

    def __call__(self, tally: Tally) -> None:
        now, over = time.monotonic(), tally.made + tally.failed == tally.todo
        if now - self.last < self.seconds and not over:
            return
        self.last = now
        line = in_language(tally.line(), self.speech.language)
        typer.echo(f"\r\x1b[K{line}" if self.terminal else line, err=True, nl=over or not self.terminal)


def _tell_plan(counts: dict[str, Any], speech: Speech, as_json: bool) -> None:
    if as_json:
        typer.echo(dump(counts))
        return
    for key in ("by_channel_and_role", "by_path"):
        for name, count in counts[key].items():
            speech.say(f"{name}: {count:,}", err=False)
    lost = ", ".join(f"{count:,} of kind {kind}" for kind, count in counts["lost"].items()) or "nothing"
    speech.say(f"lost: {lost}", err=False)
    speech.say(
        f"planned {counts['planned']:,}: {counts['there']:,} there, {counts['failed_before']:,} failed before, "
        f"{counts['rejected']:,} rejected, "
        f"{counts['to_make']:,} to make in about {counts['seconds']:,} s (by {counts['from']})",
        err=False,
    )


def _tell_run(job: Job, tally: Tally, speech: Speech, as_json: bool) -> None:
    from packshot.listing.contact_sheet import PAGE
    from packshot.listing.journal import FAILURES, MANIFEST

    if as_json:
        typer.echo(dump({**tally.as_dict(), "out": job.out.shown()}))
        return
    again = f", {tally.known:,} failed before (--only-failures tries them again)" if tally.known else ""
    again += f", {tally.rejected:,} rejected" if tally.rejected else ""
    there = tally.there + tally.made
    speech.say(
        f"{job.out.shown(MANIFEST)}: {there:,} of {tally.total:,} pictures, {tally.made:,} of them new; "
        f"{tally.failed:,} failed{again}; {tally.lost:,} rows, photos or pictures of sets lost",
        err=False,
    )
    speech.say(f"{job.out.shown(PAGE)}: look through them", err=False)
    if not tally.clean:
        speech.aside(f"what is missing, and why: {job.out.shown(FAILURES)}")


def _need_opencv() -> None:
    if find_spec("cv2") is None:
        from packshot.editing.pipeline import not_installed

        raise not_installed("cv2 (OpenCV)")


def _rows(
    path: Path, channels: Sequence[Channel], targets: Mapping[str, Path | None], certified: bool, *, alone: bool
) -> Iterator[dict[str, Any]]:
    """What came of one picture on each channel; `report`, or an `error` where there are several pictures."""
    from packshot.listing.report import check as judged
    from packshot.listing.report import look_at

    try:
        look = look_at(path)
        for channel in channels:
            row: dict[str, Any] = {"file": str(path), "channel": channel.name, "report": judged(look, channel)}
            yield row | _repaired(look, channel, targets[channel.name], certified)
    except PackshotError as error:
        if alone:
            raise
        yield {"file": str(path), "error": str(error)}


def _repaired(look: Look, channel: Channel, target: Path | None, certified: bool) -> dict[str, Any]:
    """`out`, and `after`, the report on it; nothing where no repair is asked for."""
    from packshot.listing.repair import repair
    from packshot.listing.report import report_of

    if target is None:
        return {}
    made = repair(look, channel)
    written = None if made.data is None else _written(made, look, target, certified)
    return {"out": written, "after": report_of(look, channel, made)}


def _written(made: Repair, look: Look, target: Path, certified: bool) -> Path:
    from packshot.editing.files import certificate_path
    from packshot.images import write_atomically
    from packshot.listing.repair import certificate

    assert made.data is not None
    path = target.with_name(target.name + made.suffix)
    writable_folder(path.parent)
    document = certificate(look, made, path.name) if certified else None
    write_atomically(path, made.data)
    if document is not None:
        write_atomically(certificate_path(path), dump(document).encode())
    return path


def _tell(row: dict[str, Any], language: Language, strict: bool, as_json: bool, *, brief: bool) -> bool:
    """Print what came of a picture; whether it is good."""
    from packshot.listing.rules import failed
    from packshot.listing.verdicts import COPIED

    if "error" in row:
        line = in_language(row["error"], language)
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else f"packshot: {line}", err=not as_json)
        return False
    before: Report = row["report"]
    after: Report = row.get("after", before)
    good = after.passed and not failed(after.verdicts, strict=strict)
    if as_json:
        typer.echo(json.dumps(_as_dict(row, before, after, language) | {"good": good}, ensure_ascii=False))
        return good
    typer.echo(f"{row['file']} ({row['channel']}): {_summary(before.verdicts, language)}")
    for verdict in before.verdicts:
        if not brief or verdict.status in ("fail", "unsure"):
            typer.echo(f"    {verdict.line(language)}")
    if "after" in row:
        words = after.refused or after.done or (COPIED,)
        said = in_language("; ".join(words), language)
        typer.echo(f"    -> {row['out'] or in_language('not repaired', language)}: {said}")
        for verdict in failed(after.verdicts, strict=strict) if row["out"] else ():
            typer.echo(f"       {verdict.line(language)}")
    return good


def _as_dict(row: dict[str, Any], before: Report, after: Report, language: Language) -> dict[str, Any]:
    document = before.as_dict(language)
    if "after" not in row:
        return {key: value for key, value in document.items() if key not in ("done", "refused")}
    told = after.as_dict(language)
    return document | {
        "out": None if row["out"] is None else str(row["out"]),
        "done": told["done"],
        "refused": told["refused"],
        "after": told["verdicts"] if row["out"] else None,
    }


def _summary(verdicts: Sequence[Verdict], language: Language) -> str:
    from packshot.listing.verdicts import STATUSES

    counts = {status: sum(v.status == status for v in verdicts) for status in STATUSES}
    return in_language(", ".join(f"{count} {status}" for status, count in counts.items() if count), language)


def _explain(channels: Sequence[Channel], language: Language, as_json: bool) -> None:
    for channel in channels:
        title = channel.title_zh if language == "zh" else channel.title
        rows = [
            {"rule": rule.name, **rule.values, "source": rule.source.title, "date": rule.source.date,
             "confidence": rule.source.confidence}
            for rule in channel.rules.values()
        ]  # fmt: skip
        if as_json:
            typer.echo(json.dumps({"channel": channel.name, "title": title, "rules": rows}, ensure_ascii=False))
            continue
        typer.echo(f"{channel.name}: {title}")
        for rule in channel.rules.values():
            limits = ", ".join(f"{key} = {_plain(value)}" for key, value in rule.values.items())
            source = rule.source
            typer.echo(f"    {rule.name}: {limits}  [{source.confidence}, {source.date}: {source.title}]")


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def _pictures(given: Sequence[Path], out: Path | None) -> list[tuple[Path, Path]]:
    """Every picture, and its name below `--out` but for the suffix; nothing that lies in `--out` itself.

    Raises:
        RequestError: nothing given, nothing found, or `--out` is a folder that pictures come from.
        InputError: one is missing.
    """
    from packshot.editing.files import READABLE_SUFFIXES

    found: list[tuple[Path, Path]] = []
    for path in given:
        root = path if path.is_dir() else path.parent
        if not path.exists():
            raise InputError(path, "no such file", "a picture or a folder of pictures")
        if out is not None and out.resolve() == root.resolve():
            raise RequestError("--out", "the folder of the pictures", "another folder")
        if not path.is_dir():
            found.append((path, Path(path.name)))
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in READABLE_SUFFIXES and p.is_file())
        hidden = [any(part.startswith(".") for part in p.relative_to(path).parts) for p in inside]
        found += [(p, p.relative_to(path)) for p, hide in zip(inside, hidden, strict=True) if not hide]
    if out is not None and out.exists() and not out.is_dir():
        raise OutputError(out, "a file", "a folder")
    kept = [pair for pair in found if out is None or not pair[0].resolve().is_relative_to(out.resolve())]
    if not kept:
        raise RequestError("PICTURE", "nothing" if not given else "folders without a picture", "pictures or folders")
    return list(_with_own_names(kept))


def _with_own_names(found: Sequence[tuple[Path, Path]]) -> Iterator[tuple[Path, Path]]:
    """Pictures that would go to one file keep their whole names: a.png and a.webp become a.png.jpg and a.webp.jpg.

    Raises:
        RequestError: two pictures have one name.
    """
    stems = [str(name.with_suffix("")).casefold() for _, name in found]
    if len({str(name).casefold() for _, name in found}) < len({path.resolve() for path, _ in found}):
        raise RequestError("PICTURE", "two pictures of one name", "pictures of different names")
    for (path, name), stem in zip(found, stems, strict=True):
        yield path, name.with_suffix("") if stems.count(stem) == 1 else name
