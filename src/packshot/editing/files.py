"""From photos to edited files: where each goes, how it is encoded, what is already done, and what went wrong."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packshot.editing.certificate import (
    BrokenPromiseError,
    Source,
    certify,
    decoded,
    read_certificate,
    steps_of,
)
from packshot.editing.pipeline import Edited, Step, run, with_cut
from packshot.editing.scene import Bytes, Scene, flatten
from packshot.errors import InputError, OutputError, PackshotError, RequestError
from packshot.generation.parallel import in_order
from packshot.images import (
    MAX_PIXELS,
    PICTURE_SUFFIXES,
    contact_sheet,
    encode_picture,
    encode_webp,
    flattened,
    read_file,
    reduced,
    write_atomically,
)
from packshot.provenance.carrying import carried, with_labels
from packshot.safety import current

CERTIFICATE_SUFFIX = ".certificate.json"
"""Goes behind the whole name of the picture, so that a.png and a.webp have one each."""

FAILURES = "failures.jsonl"
"""The list of photos that failed, in the folder of the results."""

READABLE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
"""What counts as a photo in a folder; a file named outright may be called anything."""

_JPEG_QUALITY = 92
_LONGEST = {".webp": 16_383, ".jpg": 65_535, ".jpeg": 65_535}
_SHEET_PX = 320
_SHEET_MOST = 60
_SHEET_GROUND = (236, 236, 236)


@dataclass(frozen=True, slots=True)
class Job:
    """One photo and the file that its edited picture goes to."""

    photo: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be done to each photo.

    Attributes:
        steps: in order.
        colourways: steps `recolour` that differ in their colour alone, for one picture each, made after the other
            steps; none for one picture without.
        quality: of JPEG and WebP, 1 to 100; None for lossless WebP and for JPEG's usual 92.
        certificate: whether one is written beside each picture; without, nothing is skipped as already done.
    """

    steps: tuple[Step, ...]
    colourways: tuple[Step, ...] = ()
    quality: int | None = None
    certificate: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """An edited picture on disk.

    Attributes:
        photo: that it came from.
        file: the picture.
        certificate: its document.
        skipped: whether it was there already.
    """

    photo: Path
    file: Path
    certificate: dict[str, Any]
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that could not be edited.

    Attributes:
        photo: the file.
        line: why.
        trace: of a bug; empty for what a user can mend.
    """

    photo: Path
    line: str
    trace: str = ""


def plan(photos: Sequence[Path], out: Path, form: str | None) -> list[Job]:
    """Which photo goes to which file.

    Args:
        photos: files and folders; of a folder every picture in it and below it.
        out: a picture's name for a single photo; else a folder, where each keeps its name and its place.
        form: suffix without the dot of what goes into a folder; None for PNG.

    Raises:
        RequestError: several photos for one file, a result in place of a photo, another suffix, or nothing to do.
        InputError: a photo is missing.
    """
    found = [(path, path.relative_to(root)) for photo in photos for root, path in _pictures(photo, out)]
    if not found:
        raise RequestError("PHOTO", "folders without a picture", ", ".join(READABLE_SUFFIXES))
    one_file = out.suffix.lower() in PICTURE_SUFFIXES and not out.is_dir()
    if one_file and (len(found) > 1 or any(photo.is_dir() for photo in photos)):
        raise RequestError("--out", f"the file {out} for {len(found)} photos", "a folder")
    if one_file and form is not None and out.suffix.lower() != f".{form}":
        raise RequestError("--format", f"{form} beside --out {out}", "one of them")
    if not one_file and out.suffix and not out.is_dir():
        raise RequestError("--out", f"the suffix '{out.suffix}'", f"{', '.join(PICTURE_SUFFIXES)}, or a folder")
    suffix = f".{form or 'png'}"
    stems = Counter(str(name.with_suffix("")).casefold() for _, name in found)
    jobs = []
    for path, name in found:
        alone = stems[str(name.with_suffix("")).casefold()] == 1
        jobs.append(Job(path, out if one_file else out / (name.with_suffix(suffix) if alone else f"{name}{suffix}")))
    _refuse_clashes(jobs)
    return jobs


def edit_all(jobs: Sequence[Job], wish: Wish, workers: int) -> Iterator[list[Finished] | Failure]:
    """Edit photos side by side; yields what came of each in the jobs' order, whatever happens to others."""

    def guarded(job: Job) -> list[Finished] | Failure:
        try:
            return edit(job, wish)
        except (PackshotError, BrokenPromiseError) as error:
            return Failure(job.photo, str(error))
        except Exception as error:  # a bug with one photo must not cost the night's work on the others
            return Failure(job.photo, f"a bug: {type(error).__name__}: {error}", traceback.format_exc())

    with ThreadPoolExecutor(max(1, workers)) as pool:
        yield from in_order(pool, guarded, jobs, ahead=2 * max(1, workers))


def edit(job: Job, wish: Wish) -> list[Finished]:
    """Edit one photo, unless its results are there already, and write the results.

    Raises:
        PackshotError: what is the user's to mend; a photo that the guard takes for unsafe, too.
        BrokenPromiseError: an operation did; nothing was written.
    """
    targets = [_for_colour(job.target, step) for step in wish.colourways] or [job.target]
    if wish.certificate:
        done = [_already(job.photo, target, wish, index) for index, target in enumerate(targets)]
        if all(done):
            return [finished for finished in done if finished is not None]
    source = Source.open(job.photo)
    seen = current().picture(source.layers.stacked, job.photo.name, source.sha256)
    edited = run(Scene(product=source.layers.rgb, alpha=source.layers.alpha), wish.steps)
    results = _colourways(edited, wish.colourways) if wish.colourways else [edited]
    pairs = zip(results, targets, strict=True)
    return [_write(source, job.photo, result, target, wish, seen) for result, target in pairs]


def write_failures(failures: Sequence[Failure], folder: Path) -> None:
    """The list of failures, one JSON object a line; an older list is removed where there are none now.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / FAILURES
    if failures:
        rows = [{"file": str(f.photo), "error": f.line, **({"trace": f.trace} if f.trace else {})} for f in failures]
        write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    else:
        path.unlink(missing_ok=True)


def before_and_after(finished: Sequence[Finished]) -> Bytes:
    """A sheet (H, W, 3): photos and what came of them, side by side, two pairs in a row, of the first sixty."""
    pictures, labels = [], []
    for row in finished[:_SHEET_MOST]:
        for path, label in ((row.photo, row.photo.stem), (row.file, _words(row.certificate))):
            pixels = decoded(read_file(path), str(path))
            pictures.append(reduced(flattened(pixels, _SHEET_GROUND), _SHEET_PX))
            labels.append(label)
    return contact_sheet(pictures, columns=4, labels=labels)


def _pictures(photo: Path, out: Path) -> list[tuple[Path, Path]]:
    """(folder, picture) of a file or of everything in a folder, but for hidden files and the results' own folder."""
    if not photo.is_dir():
        if not photo.exists():
            raise InputError(photo, "no such file", "a photo or a folder of photos")
        return [(photo.parent, photo)]
    results = out.resolve()
    if results == photo.resolve():
        raise RequestError("--out", "the folder of the photos", "another folder")
    inside = sorted(path for path in photo.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    visible = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(photo).parts)]
    return [(photo, path) for path in visible if path.is_file() and not path.resolve().is_relative_to(results)]


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    """A result must not replace a photo, nor another result."""
    photos = {_identity(job.photo): job.photo for job in jobs}
    targets = Counter(job.target for job in jobs)
    for job in jobs:
        if job.target.exists() and _identity(job.target) in photos:
            raise RequestError("--out", f"{job.target}, which is a photo itself", "another name or folder")
        if targets[job.target] > 1:
            raise RequestError("--out", f"two photos for {job.target}", "photos of different names")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _already(photo: Path, target: Path, wish: Wish, index: int) -> Finished | None:
    """The result of an earlier run, if it is whole, of this very photo, and of the same steps and format."""
    try:
        document = read_certificate(certificate_path(target))
        same = (
            document["original"]["sha256"] == _sha256(photo)
            and document["edited"]["sha256"] == _sha256(target)
            and _asked(document["steps"]) == _asked(_documented(wish, index))
            and {key: document["edited"][key] for key in ("codec", "quality")} == _codec(target, wish.quality)
        )
    except (InputError, KeyError, TypeError):
        return None
    return Finished(photo, target, document, skipped=True) if same else None


def _documented(wish: Wish, index: int) -> list[dict[str, Any]]:
    steps = [*wish.steps, *wish.colourways[index : index + 1]]
    return [{"op": step.name, "arguments": dict(step.arguments), "inserted": False} for step in steps]


def _asked(steps: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(step["op"], step["arguments"]) for step in steps if not step["inserted"]]


def _colourways(edited: Edited, wanted: Sequence[Step]) -> Iterator[Edited]:
    """One after the other, so that only one more scene is held."""
    from packshot.editing.recolour import colourways

    scene, added = with_cut(edited.scene)
    options: dict[str, Any] = {key: value for key, value in wanted[0].arguments.items() if key != "to"}
    made: Iterator[tuple[str, Scene]] = colourways(scene, [str(step.arguments["to"]) for step in wanted], **options)
    for step, (_, result) in zip(wanted, made, strict=True):
        yield Edited(result, (*edited.steps, *added, step))


def _for_colour(target: Path, step: Step) -> Path:
    """The name of one colourway; a photo as the colour gives its stem."""
    colour = str(step.arguments["to"])
    named = Path(colour.removeprefix("photo:")).stem if colour.startswith("photo:") else colour
    words = "".join(c if c.isalnum() else "-" for c in named).strip("-") or "colour"
    return target.with_name(f"{target.stem}-{words}{target.suffix}")


def _write(source: Source, photo: Path, edited: Edited, target: Path, wish: Wish, seen: str) -> Finished:
    pixels = flatten(edited.scene)
    safety = {"photo": seen}
    if edited.scene.made:  # a model's part may be what the photo was not
        safety["picture"] = current().picture(pixels, target.name)
    data = _labelled(source, edited, pixels, encode(pixels, target, wish.quality), target)
    codec = {**_codec(target, wish.quality), "lossless": is_lossless(target, wish.quality)}
    document = {**certify(source, edited, pixels, data, name=target.name, codec=codec), "safety": safety}
    _make_folder(target.parent)
    write_atomically(target, data)
    if wish.certificate:
        write_atomically(certificate_path(target), json.dumps(document, ensure_ascii=False, indent=1).encode())
    return Finished(photo, target, document)


def _labelled(source: Source, edited: Edited, pixels: Bytes, data: bytes, target: Path) -> bytes:
    """The encoded picture with the labels of the photo that it was made from."""
    at = edited.scene.placement or (0, 0)
    values = carried(source.said, steps_of(edited), pixels, at, source.layers.rgb.shape[:2])
    return with_labels(data, values, str(target))


def encode(pixels: Bytes, target: Path, quality: int | None) -> bytes:
    """The bytes of a picture as its name asks for.

    Raises:
        OutputError: another suffix, transparency for JPEG, or more pixels than the format or packshot takes.
    """
    height, width = pixels.shape[:2]
    suffix = target.suffix.lower()
    longest = _LONGEST.get(suffix, MAX_PIXELS)
    if height * width > MAX_PIXELS or max(height, width) > longest:
        accepted = f"at most {MAX_PIXELS:,} pixels" + (f", {longest:,} a side" if suffix in _LONGEST else "")
        raise OutputError(target, f"a result of {width}×{height} pixels", accepted)
    if suffix == ".webp" and quality is None:
        return encode_webp(pixels)
    return encode_picture(pixels, target, quality=_JPEG_QUALITY if quality is None else quality)


def is_lossless(target: Path, quality: int | None) -> bool:
    """Whether the encoded picture has the very pixels that went in."""
    return target.suffix.lower() == ".png" or (target.suffix.lower() == ".webp" and quality is None)


def certificate_path(picture: Path) -> Path:
    """Where the certificate of a picture is."""
    return picture.with_name(picture.name + CERTIFICATE_SUFFIX)


def _codec(target: Path, quality: int | None) -> dict[str, Any]:
    name = target.suffix.lower().removeprefix(".").replace("jpeg", "jpg")
    if is_lossless(target, quality):
        return {"codec": name, "quality": None}
    return {"codec": name, "quality": _JPEG_QUALITY if quality is None else quality}


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()


def _words(certificate: dict[str, Any]) -> str:
    return " + ".join(step["op"] for step in certificate["steps"]) or "nothing"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error.strerror or "an error", "a folder that can be made and written to") from None
