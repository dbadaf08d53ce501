"""`packshot edit` and `packshot verify`: one option for each row of the table of operations, applied in order."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from packshot.cli_shared import (
    FORMATS,
    SafetyFile,
    SafetyLog,
    Spoken,
    dump,
    guarded,
    language_of,
    progress_bar,
    tell_unchecked,
    writable_folder,
)
from packshot.editing import telling
from packshot.editing.operations import OPERATIONS
from packshot.errors import MissingExtraError, RequestError
from packshot.phrases import in_language

if TYPE_CHECKING:
    from packshot.editing.files import Failure, Finished
    from packshot.editing.pipeline import Step

STEPS = "packshot.steps"
"""Key of the steps in the context of the command."""

PANEL = "Operations, applied in the order given; each may be repeated"


class EditCommand(TyperCommand):
    """A command whose parameter `step` stands for one option for each operation, and that keeps their order."""

    def __init__(self, *arguments: Any, params: list[Any], **others: Any) -> None:
        template = next(param for param in params if param.name == "step")
        options = [self._option(template, name) for name in OPERATIONS]
        super().__init__(*arguments, params=[*(p for p in params if p is not template), *options], **others)

    @staticmethod
    def _option(template: Any, operation: str) -> Any:
        option = copy.copy(template)
        option.name, option.opts = operation, [_flag(operation)]
        option.rich_help_panel, option.expose_value = PANEL, False
        return option

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as usual; then once more, for the order in which operations and pipeline files were given."""
        given = _with_values(args)
        rest = super().parse_args(ctx, list(given))
        values, _, order = self.make_parser(ctx).parse_args(list(given))
        queues = {name: iter(value) for name, value in values.items() if name in OPERATIONS or name == "pipeline"}
        words = [(param.name, next(queues[param.name])) for param in order if param.name in queues]
        ctx.meta[STEPS] = _steps(words)
        return rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show with each operation what its function's description begins with."""
        from rich.markup import escape

        for param in self.params:
            if param.name in OPERATIONS:
                param.metavar, text = _described(param.name)
                param.help = escape(text)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def add_commands(app: typer.Typer) -> None:
    """Register both commands."""
    app.command(cls=EditCommand)(edit)
    app.command()(verify)


def edit(
    ctx: typer.Context,
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option(help="The edited picture; of several, their folder.")],
    step: Annotated[list[str] | None, typer.Option()] = None,  # EditCommand: one option for each operation
    pipeline: Annotated[
        list[Path] | None, typer.Option(help="Steps from a file; they take their place among the operations.")
    ] = None,
    save_pipeline: Annotated[Path | None, typer.Option(help="Also write all steps here.")] = None,
    colourways: Annotated[
        str, typer.Option(help="Colours with commas between, then as --recolour: after the steps, a picture in each.")
    ] = "",
    form: Annotated[
        str | None, typer.Option("--format", help="png (as usual), webp or jpg, where --out is a folder.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="1 to 100; makes WebP lossy. JPEG has 92, WebP is lossless if left out.")
    ] = None,
    certificate: Annotated[
        bool, typer.Option(help="Write a certificate beside each picture; needed for resuming.")
    ] = True,
    sheet: Annotated[Path | None, typer.Option(help="Also write one sheet of befores and afters here.")] = None,
    workers: Annotated[int, typer.Option(help="Photos at the same time; each takes about 0.05 GB a megapixel.")] = 2,
    safety: SafetyFile = None,
    safety_log: SafetyLog = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Edit product photos and prove what became of the product.

    An operation's value comes first, further parameters as key=value, all in one quoted word:
    --background "gradient:#fff,#ddd angle=30". See docs/editing.md.
    """
    _need_opencv()
    from packshot.editing import files
    from packshot.editing.foresight import cautions, refuse_words
    from packshot.editing.pipeline import save_pipeline as save

    steps: list[Step] = ctx.meta[STEPS]
    colours = _colours(colourways) if colourways else []
    _check(form, quality, workers)
    if not steps and not colours:
        raise RequestError("edit", "no operation", ", ".join(map(_flag, OPERATIONS)))
    guard = guarded(safety, safety_log)
    refuse_words(steps)
    for line in cautions(steps):
        typer.echo(f"packshot: {line}", err=True)
    jobs = files.plan(photos, out, form)
    wish = files.Wish(tuple(steps), tuple(colours), quality, certificate)
    for folder in {job.target.parent for job in jobs} | ({sheet.parent} if sheet else set()):
        writable_folder(folder)
    if save_pipeline is not None:
        save(steps, save_pipeline)
    tell_unchecked(guard)
    alone = len(jobs) == 1 and not photos[0].is_dir()
    finished, failures = _edit_one(jobs[0], wish) if alone else _edit_many(jobs, wish, workers, as_json)
    if not alone:
        files.write_failures(failures, out)
    if sheet is not None and finished:
        from packshot.images import save_picture

        save_picture(files.before_and_after(finished), sheet)
    _report(finished, failures, out, as_json)
    if failures:
        raise typer.Exit(1)


def verify(
    picture: Annotated[Path, typer.Argument(help="A picture, for instance an edited or labelled one.")],
    original: Annotated[
        Path | None, typer.Option(help="The photo that it was made from: its certificate is then checked, too.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="That certificate; beside the picture if left out.")] = None,
    trust: Annotated[Path | None, typer.Option(help="PEM: roots that content credentials must go back to.")] = None,
    language: Spoken = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read a picture's labels back, and compute its certificate's numbers again; exit 1 where something is wrong."""
    from packshot.cli_label import labels_of

    spoken = language_of(language)
    if certificate is not None and original is None:
        raise RequestError("--certificate", "no --original", "the photo that the picture was made from, too")
    compared = None if original is None else _compared(picture, original, certificate)
    labels = labels_of(picture, trust)
    wrong = [*(compared["disagreements"] if compared else []), *labels.problems]
    if as_json:
        typer.echo(dump({**(compared or {}), "labels": labels.as_dict()}))
    else:
        told = [] if compared is None else compared["disagreements"] or [f"agrees: {compared['proof']}"]
        typer.echo("\n".join(in_language(line, spoken) for line in [*told, *labels.lines()]))
    if wrong:
        raise typer.Exit(1)


def _compared(edited: Path, original: Path, path: Path | None) -> dict[str, Any]:
    """What computing a certificate's numbers again has given."""
    _need_opencv()
    from packshot.editing.certificate import read_certificate
    from packshot.editing.certificate import verify as compare
    from packshot.editing.files import certificate_path

    document = read_certificate(certificate_path(edited) if path is None else path)
    wrong = compare(edited, original, document)
    proof = telling.proof(document)
    return {"agrees": not wrong, "disagreements": wrong, "promise": document["promise"], "proof": proof}


def _steps(words: Sequence[tuple[str, str]]) -> list[Step]:
    from packshot.editing.pipeline import parse_step, read_pipeline

    steps: list[Step] = []
    for name, value in words:
        steps += read_pipeline(Path(value)) if name == "pipeline" else [parse_step(name, value)]
    return steps


def _with_values(args: Sequence[str]) -> list[str]:
    """The arguments, with `--flag=` where an operation that can do without a value stands alone.

    A word after such an operation is its value unless it looks like an option or is the name of an existing file.
    """
    flags = {_flag(name): name for name in OPERATIONS}
    given: list[str] = []
    waiting = list(args)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*given, word, *waiting]
        given.append(word)
        if word not in flags:
            continue
        if _needs_value(flags[word]):
            given += waiting[:1]
            waiting = waiting[1:]
        else:
            given[-1] += f"={waiting.pop(0) if waiting and _is_value(waiting[0]) else ''}"
    return given


def _needs_value(operation: str) -> bool:
    from packshot.editing.pipeline import parameters

    return any(parameter.required for parameter in parameters(operation))


def _is_value(word: str) -> bool:
    looks_like_option = word.startswith("-") and not word[1:2].isdigit() and word[1:2] != "."
    return not looks_like_option and not os.path.exists(word)


def _flag(operation: str) -> str:
    return f"--{operation.replace('_', '-')}"


def _described(operation: str) -> tuple[str, str]:
    """What stands for the value of an operation in help, and its description."""
    from packshot.editing.pipeline import parameters, summary

    try:
        found = parameters(operation)
        text = summary(operation)
    except MissingExtraError as error:
        return "VALUE", f"needs {error.accepted}"
    if not found:
        return "", text
    first = found[0].name.upper()
    return (first if found[0].required else f"[{first}]"), text


def _need_opencv() -> None:
    if find_spec("cv2") is None:
        from packshot.editing.pipeline import not_installed

        raise not_installed("cv2 (OpenCV)")


def _check(form: str | None, quality: int | None, workers: int) -> None:
    if form is not None and form not in FORMATS:
        raise RequestError("--format", f"'{form}'", ", ".join(FORMATS))
    if quality is not None and not 1 <= quality <= 100:
        raise RequestError("--quality", quality, "1 to 100")
    if workers < 1:
        raise RequestError("--workers", workers, "at least 1")


def _colours(text: str) -> list[Step]:
    """Steps `recolour` of `--colourways`, one for each colour."""
    from packshot.editing.pipeline import Step, parse_step

    step = parse_step("recolour", text)
    colours = [colour.strip() for colour in str(step.arguments["to"]).split(",")]
    if "" in colours or len({colour.casefold() for colour in colours}) < len(colours):
        raise RequestError("--colourways", f"'{text}'", "colours with commas between, each once")
    return [Step("recolour", {**step.arguments, "to": colour}) for colour in colours]


def _edit_one(job: Any, wish: Any) -> tuple[list[Finished], list[Failure]]:
    from packshot.editing.certificate import BrokenPromiseError
    from packshot.editing.files import edit as edit_file

    try:
        return edit_file(job, wish), []
    except BrokenPromiseError as error:
        typer.echo(f"packshot: {error}", err=True)
        raise typer.Exit(1) from None


def _edit_many(jobs: Sequence[Any], wish: Any, workers: int, as_json: bool) -> tuple[list[Finished], list[Failure]]:
    from packshot.editing.files import Failure, edit_all

    finished: list[Finished] = []
    failures: list[Failure] = []
    with nullcontext() if as_json else progress_bar("photos") as progress:
        for done, result in enumerate(edit_all(jobs, wish, workers), 1):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                finished += result
            if progress is not None:
                progress(done, len(jobs))
    return finished, failures


def _report(finished: Sequence[Finished], failures: Sequence[Failure], out: Path, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "file": str(row.file),
                "photo": str(row.photo),
                "skipped": row.skipped,
                "certificate": _without_map(row.certificate),
            }
            for row in finished
        ]
        typer.echo(dump({"pictures": rows, "failures": [{"file": str(f.photo), "error": f.line} for f in failures]}))
        return
    for row in finished:
        notes = [*row.certificate["original"]["notes"], *telling.models(row.certificate)]
        typer.echo(f"{row.file}{' (was there already)' if row.skipped else ''}: {telling.proof(row.certificate)}")
        if row.certificate.get("origin") is not None:
            typer.echo(f"    {telling.origin(row.certificate['origin'])}")
        if notes and not row.skipped:
            typer.echo(f"    {row.photo}: {'; '.join(notes)}", err=True)
    for failure in failures:
        named = failure.photo.name in failure.line
        typer.echo(f"packshot: {'' if named else f'{failure.photo}: '}{failure.line}", err=True)
    if failures:
        typer.echo(f"packshot: {len(failures)} of the photos failed, listed in {out / 'failures.jsonl'}", err=True)


def _without_map(certificate: dict[str, Any]) -> dict[str, Any]:
    return {**certificate, "regions": {k: v for k, v in certificate["regions"].items() if k != "png"}}
