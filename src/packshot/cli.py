"""The command line. Reads options, calls one function, prints; imports of rooms stay inside the commands."""

from __future__ import annotations

import atexit
import gc
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from packshot import cli_edit, cli_keys, cli_label, cli_listing, cli_serve
from packshot.cli_shared import (
    FORMATS,
    SafetyFile,
    SafetyLog,
    dump,
    guarded,
    progress_bar,
    tell_unchecked,
    writable_folder,
)
from packshot.errors import PackshotError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from packshot.generation import Result

app = typer.Typer(
    help="Controllable product pictures from text, on two cores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Catalogues in, training shards out.", no_args_is_help=True)
app.add_typer(data_app, name="data")
SURE = 0.5
"""Probability from which on a category read from a photo is taken for its prompt."""


def main() -> None:
    """Run the command line; exit 0 when all went well, 2 for a user's mistake; a bug shows its traceback."""
    atexit.register(gc.freeze)  # else Python looks for garbage in all of PyTorch before it ends: a second
    try:
        status = app(standalone_mode=False)
    except PackshotError as error:
        _fail(str(error))
    except typer.TyperException as error:  # unknown options, values that are no number …: one line instead of a box
        describe = getattr(error, "format_message", None)
        _fail(describe() if describe else str(error) or "stopped")
    sys.exit(status if isinstance(status, int) else 0)


def _fail(line: str) -> NoReturn:
    if line.strip():  # typer has shown its help already where there were no arguments at all
        typer.echo(f"packshot: {' '.join(line.split())}", err=True)
    sys.exit(2)


@app.command()
def generate(
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT...", help="Chinese, English or both; not with --variations.")
    ] = None,
    count: Annotated[int, typer.Option(help="Pictures of each prompt.")] = 4,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same bytes. Drawn and shown if left out.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square picture, pixels (64 to 2048).")] = 256,
    background: Annotated[str, typer.Option(help="white, transparent, #rrggbb or the path of a picture.")] = "white",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    form: Annotated[str, typer.Option("--format", help="png, jpg or webp.")] = "png",
    sheet: Annotated[Path | None, typer.Option(help="Also write one contact sheet of all pictures here.")] = None,
    steps: Annotated[int | None, typer.Option(help="Evaluations per picture; the pack knows a good number.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Adherence to the prompt; the pack knows a good number.")
    ] = None,
    emphasis: Annotated[
        float | None,
        typer.Option(help="Stress on words for usage, gender, material and style; the pack knows a number."),
    ] = None,
    variety: Annotated[
        float, typer.Option(help="Faithful or diverse, 0 to 2: less than 1 keeps to what is typical, more strays.")
    ] = 1.0,
    colour_lock: Annotated[
        float, typer.Option(help="0 leaves the colour as generated, 1 moves it onto the request.")
    ] = 1.0,
    negative: Annotated[str, typer.Option(help="What the pictures shall move away from.")] = "",
    towards: Annotated[str, typer.Option(help="A second prompt: the pictures go from the first to it, evenly.")] = "",
    like: Annotated[str, typer.Option(help="A photo on plain white that the pictures start from.")] = "",
    change: Annotated[float, typer.Option(help="How much of that photo is given up, 0 to 1.")] = 0.6,
    variations: Annotated[
        Path | None, typer.Option(help="A photo on plain white: as --like, the prompt being what the photo shows.")
    ] = None,
    backend: Annotated[str, typer.Option(help="embedded, fake, or one that a plug-in adds.")] = "embedded",
    pack: Annotated[str, typer.Option(help="Model pack: a name from `packshot models`, or a folder.")] = "base",
    producer: Annotated[
        str, typer.Option(help="Your name or code: ContentProducer of the AIGC label.", envvar="PACKSHOT_PRODUCER")
    ] = "",
    labels: Annotated[
        bool, typer.Option(help="Say in metadata and by an imperceptible mark that a model made the pictures.")
    ] = True,
    safety: SafetyFile = None,
    safety_log: SafetyLog = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print how the prompts are understood, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make product pictures of one or more prompts, or variations of a photo."""
    from packshot.generation import GenerationRequest, open_backend
    from packshot.prompt import parse

    if variations is not None:
        if prompts or like:
            raise RequestError(
                "--variations", "a prompt or --like beside it", "a photo alone; else --like and a prompt"
            )
        prompts, like = [_prompt_of(variations)], str(variations)
    if not prompts:
        raise RequestError("PROMPT", "nothing", "one or more descriptions, or --variations with a photo")
    guard = guarded(safety, safety_log)
    maker = open_backend(backend, pack)  # a pack may know kinds of its own
    if explain:
        understood = [parse(prompt) for prompt in prompts]
        typer.echo(dump([p.as_dict() for p in understood]) if as_json else "\n\n".join(p.explain() for p in understood))
        return
    from packshot.images import contact_sheet

    if form not in FORMATS:
        raise RequestError("--format", f"'{form}'", ", ".join(FORMATS))
    if form == "jpg" and background == "transparent":
        raise RequestError("--format", "jpg with a transparent background", "png or webp")
    chosen = secrets.randbelow(2**31) if seed is None else seed
    requests = [
        GenerationRequest(
            prompt,
            count,
            chosen,
            size,
            background,
            steps=steps,
            guidance=guidance,
            emphasis=emphasis,
            variety=variety,
            colour_lock=colour_lock,
            negative=negative,
            towards=towards,
            like=like,
            change=change,
        )
        for prompt in prompts
    ]
    for request in requests:
        maker.check(request)
    for folder in [out, *([sheet.parent] if sheet else [])]:
        writable_folder(folder)
    tell_unchecked(guard)
    if not as_json:
        _tell_understanding(prompts)
    made: list[tuple[Result, Path, dict[str, str]]] = []
    for result in maker.generate(requests):
        path = out / _file_name(result, prompts.index(result.request.prompt), form)
        made.append((result, path, _write(result.pixels, path, result.recipe, producer, labels)))
        if not as_json:
            typer.echo(path)
    if sheet is not None:
        captions = [_label(result.request.prompt) if result.index == 0 else "" for result, *_ in made]
        pixels = contact_sheet([r.pixels[..., :3] for r, *_ in made], columns=count, labels=captions)
        _write(pixels, sheet, None, producer, labels)
    if as_json:
        rows = [{"file": str(p), "prompt": dict(r.prompt), "recipe": dict(r.recipe), "labels": o} for r, p, o in made]
        typer.echo(dump({"seed": chosen, "pictures": rows, "sheet": None if sheet is None else str(sheet)}))
    else:
        typer.echo(f"seed {chosen}")


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the model packs that are found, with their measured quality."""
    from packshot.packs import available, open_pack

    packs = [open_pack(folder) for folder in available().values()]
    if as_json:
        typer.echo(dump([{**pack.manifest, "folder": str(pack.folder), "sha256": pack.sha256} for pack in packs]))
        return
    for pack in packs:
        typer.echo(f"{pack.name} {pack.manifest['version']} ({pack.kind}): {pack.manifest.get('summary', '')}")
        for key, value in pack.manifest["quality"].items():
            if not isinstance(value, dict):  # tables by category are for --json
                typer.echo(f"    {key}: {value}")


cli_edit.add_commands(app)
cli_listing.add_commands(app)
cli_label.add_commands(app)
cli_serve.add_commands(app)
cli_keys.add_commands(app)


@data_app.command("prepare")
def data_prepare(
    sources: Annotated[list[str], typer.Argument(help="Image folder, Parquet or WebDataset tar; path or fsspec URL.")],
    out: Annotated[Path, typer.Option(help="Folder for the shards; must not exist yet.")],
    column: Annotated[list[str] | None, typer.Option(help="Where a column is not guessed: meaning=name.")] = None,
    resolution: Annotated[int, typer.Option(help="Side of the training pictures, pixels.")] = 64,
    fine_resolution: Annotated[int, typer.Option(help="Side of the pictures for super-resolution; 0 for none.")] = 256,
    note: Annotated[str, typer.Option(help="Where the pictures come from; stands in every model card.")] = "",
    licence: Annotated[str, typer.Option(help="Their licence.")] = "",
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    kinds: Annotated[
        Path | None, typer.Option(help="TOML file of your own kinds of product; see docs/data.md.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace shards that are already there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Turn a product catalogue into training shards, and say what was dropped and why."""
    from packshot.catalogue.prepare import prepare

    mapping = dict(_pair(text, "--column") for text in column or [])
    writable_folder(out.parent)
    with progress_bar("rows") as progress:
        report = prepare(
            ",".join(sources),
            out,
            mapping=mapping,
            resolution=resolution,
            fine_resolution=fine_resolution or None,
            workers=workers,
            overwrite=overwrite,
            progress=progress,
            note=note,
            licence=licence,
            kinds=kinds,
        )
    typer.echo(dump(report.as_dict()) if as_json else "\n".join(report.lines()))


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file; see recipes/.")],
    data: Annotated[Path, typer.Option(help="Shards made by `packshot data prepare`.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, logs and sheets; repeat the command to resume.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Vary the recipe: section.key=value.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Stop, with a checkpoint, after so many minutes.")] = None,
) -> None:
    """Train a generator; the same command resumes."""
    from packshot.training.loop import train as run

    report = run(recipe, data, out, overrides=settings or [], max_minutes=max_minutes)
    typer.echo(str(report))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a flow, ladd, gan, vae or matting run.")],
    card: Annotated[Path, typer.Option(help="TOML model card; see recipes/cards/.")],
    out: Annotated[Path, typer.Option(help="Folder of the pack; replaced as a whole.")],
    upscaler: Annotated[
        str, typer.Option(help="Folder of an upscaler run, or a pack whose upscaler is taken over; none for matting.")
    ] = "",
    blend: Annotated[
        Path | None, typer.Option(help="Another flow or ladd run of the same sizes, whose weights are mixed in.")
    ] = None,
    share: Annotated[float, typer.Option(help="How much of it, 0 to 1.")] = 0.2,
) -> None:
    """Turn a training run into a model pack that runs without PyTorch."""
    from packshot.training.packing import make_pack

    make_pack(run, upscaler, card, out, blend=blend, share=share)
    typer.echo(out)


@app.command("train-judge")
def train_judge(
    data: Annotated[Path, typer.Option(help="Shards made by `packshot data prepare`.")],
    out: Annotated[Path, typer.Option(help="Folder of the judge's pack.")],
    max_minutes: Annotated[float, typer.Option(help="Stop after so many minutes.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
) -> None:
    """Train the classifier that measures generators, on real pictures only."""
    from packshot.training.judge import train_judge as run

    typer.echo(str(run(data, out, max_minutes=max_minutes, seed=seed)))


@app.command()
def evaluate(
    pack: Annotated[str, typer.Argument(help="Model pack: a name or a folder.")],
    data: Annotated[Path, typer.Option(help="Shards made by `packshot data prepare`; the test split is used.")],
    count: Annotated[int, typer.Option(help="Pictures to generate.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the conditions and the pictures.")] = 0,
    variety: Annotated[float, typer.Option(help="As of `generate`.")] = 1.0,
    colour_lock: Annotated[float, typer.Option(help="As of `generate`, where it is 1; 0 measures the network.")] = 0.0,
    features: Annotated[
        list[str] | None, typer.Option(help="judge, efficientnet-lite0 or inception:PATH; may be repeated.")
    ] = None,
    fine: Annotated[
        bool, typer.Option("--fine", help="Compare at the pack's own side, with products that have fine pictures.")
    ] = False,
    result: Annotated[Path | None, typer.Option(help="Also write the numbers here as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure a pack on held-out products: distances, attributes, colour, copying."""
    from packshot.evaluation.conditions import network_inputs
    from packshot.evaluation.report import evaluate_pack
    from packshot.generation.embedded import EmbeddedBackend

    backend = EmbeddedBackend(pack)
    report = evaluate_pack(
        lambda rows: backend.small_pictures(network_inputs(rows), variety=variety, colour_lock=colour_lock),
        data,
        count=count,
        seed=seed,
        features=features or ["judge"],
        fine_side=backend.side if fine else None,
    )
    identity = {
        "pack": backend.pack.name,
        "sha256": backend.pack.sha256,
        "count": count,
        "seed": seed,
        "variety": variety,
        "colour_lock": colour_lock,
        "fine": fine,
    }
    document = dump({**identity, **report.as_dict()})
    if result is not None:
        _write_text(result, document + "\n")
    if as_json:
        typer.echo(document)
    else:
        from rich.console import Console

        Console().print(report.table())


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    second: Annotated[Path, typer.Argument(help="Folder with pictures of the same names.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """PSNR and SSIM between two folders of pictures with the same names."""
    from rich.console import Console

    from packshot.evaluation.pairs import evaluate_pairs

    report = evaluate_pairs(first, second)
    if as_json:
        typer.echo(dump(report.as_dict()))
    else:
        Console().print(report.table())


def _write_text(path: Path, text: str) -> None:
    from packshot.images import write_atomically

    write_atomically(path, text.encode())


def _prompt_of(photo: Path) -> str:
    """What a photo shows, in the words of a caption."""
    from packshot.evaluation.judge import Judge
    from packshot.generation.reference import open_reference
    from packshot.lexicon import lexicon

    judge = Judge.open()
    reading = judge.read(open_reference(photo, judge.resolution, where="--variations").pixels[None])
    likely = sorted(zip(reading.category_probabilities[0], judge.categories, strict=True), reverse=True)
    words = {name: lexicon().slots["category"][name].en[0] for _, name in likely}
    if likely[0][0] < SURE:
        guesses = ", ".join(f"{words[name]} {share:.0%}" for share, name in likely[:3])
        raise RequestError("--variations", f"a photo that shows nothing for sure ({guesses})", "--like and a prompt")
    return words[likely[0][1]]


def _write(
    pixels: NDArray[np.uint8], path: Path, recipe: Mapping[str, object] | None, producer: str, labels: bool
) -> dict[str, str]:
    """Write a picture, or a sheet, which has no recipe; what came of each label, none where none are wanted."""
    from packshot.images import write_atomically
    from packshot.provenance.generated import labelled, unlabelled

    if labels:
        file = labelled(pixels, path, recipe, producer=producer, marked=recipe is not None)
    else:
        file = unlabelled(pixels, path, recipe)
    write_atomically(path, file.data)
    return {row["label"]: row["outcome"] for row in file.record["labels"]}


def _label(prompt: str) -> str:
    """A caption that every machine's fonts can draw: the prompt itself, or what was understood of a Chinese one."""
    from packshot.prompt import parse

    return prompt if prompt.isascii() else parse(prompt).in_english()


def _tell_understanding(prompts: list[str]) -> None:
    from packshot.prompt import parse

    for prompt in prompts:
        understood = parse(prompt)
        if understood.unknown:
            typer.echo(f"not understood in '{prompt}': {', '.join(understood.unknown)}", err=True)
        if understood.guessed:
            typer.echo(f"guessed in '{prompt}': {', '.join(understood.guessed)}", err=True)


def _file_name(result: Result, prompt_number: int, form: str) -> str:
    words = "".join(c if c.isalnum() else "-" for c in result.request.prompt.casefold()).strip("-")[:40]
    return f"{prompt_number + 1:02d}-{words}-{result.request.seed}-{result.index:03d}.{form}"


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise RequestError(option, f"'{text}'", "key=value")
    return key, value
