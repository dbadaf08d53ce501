"""The way in for programs: `check` a picture for a channel, or `fix` it; one report for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packshot.images import read_file
from packshot.listing.channels import Channel, find_channel, load_channels
from packshot.listing.measures import Look
from packshot.listing.repair import Repair, repair
from packshot.listing.rules import failed, judge
from packshot.listing.verdicts import Verdict
from packshot.phrases import Language, in_language

Picture = Path | bytes | Look
"""A file, its bytes, or what was already looked at: one `Look` for several channels is measured once."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a channel says of a picture.

    Attributes:
        picture: its path, or what it was called.
        channel: name.
        verdicts: one for each rule, in the order of `channels.RULES`.
        done: what a repair did, as phrases.
        refused: why there is no repaired picture.
    """

    picture: str
    channel: str
    verdicts: tuple[Verdict, ...]
    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no rule fails; those that one can't be sure of do not count."""
        return not failed(self.verdicts) and not self.refused

    def of(self, status: str) -> list[str]:
        """Names of the rules with that status."""
        return [verdict.rule for verdict in self.verdicts if verdict.status == status]

    def lines(self, language: Language = "en") -> list[str]:
        """One for each verdict."""
        return [verdict.line(language) for verdict in self.verdicts]

    def as_dict(self, language: Language = "en") -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.picture,
            "channel": self.channel,
            "passed": self.passed,
            "verdicts": [verdict.as_dict(language) for verdict in self.verdicts],
            "done": [in_language(text, language) for text in self.done],
            "refused": [in_language(text, language) for text in self.refused],
        }


def look_at(picture: Picture, where: str = "picture") -> Look:
    """A picture to be measured; `where` is what bytes are called in reports and errors.

    Raises:
        InputError: it cannot be read, or is no picture.
    """
    if isinstance(picture, Look):
        return picture
    if isinstance(picture, bytes):
        return Look(picture, where)
    return Look(read_file(picture), str(picture))


def check(picture: Picture, channel: Channel | str, *, where: str = "picture") -> Report:
    """Judge a picture by the rules of a channel.

    Args:
        picture: see `Picture`.
        channel: or its name, of those that ship and those of the file that `PACKSHOT_CHANNELS` names.
        where: what to call the picture where it is bytes.

    Raises:
        InputError: the picture cannot be read.
        RequestError: there is no such channel.
    """
    look, found = look_at(picture, where), _channel(channel)
    return Report(look.where, found.name, tuple(judge(look, found)))


def fix(picture: Picture, channel: Channel | str, *, where: str = "picture") -> tuple[bytes | None, Report]:
    """Repair what can be repaired, and check again; arguments and errors are those of `check`.

    Returns:
        The file's bytes, in the channel's format, the picture's own where it passes already, and the report on them;
        or None and the report on the picture as it is, with the reasons in `Report.refused`.
    """
    look, found = look_at(picture, where), _channel(channel)
    made = repair(look, found)
    return made.data, report_of(look, found, made)


def report_of(look: Look, channel: Channel, made: Repair) -> Report:
    """The report on what came of a repair."""
    return Report(look.where, channel.name, tuple(made.verdicts), made.done, made.refused)


def _channel(channel: Channel | str) -> Channel:
    return find_channel(channel, load_channels()) if isinstance(channel, str) else channel
