"""What a verdict is, and how it is said: one line of English or of Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from packshot.listing.channels import Source

Status = Literal["pass", "fail", "unsure", "not-applicable"]
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

STATUS_ZH: dict[str, str] = {"pass": "合格", "fail": "不合格", "unsure": "存疑", "not-applicable": "不适用"}
NAMES_ZH: dict[str, str] = {
    "format": "格式",
    "animation": "动图",
    "size": "尺寸",
    "advised-size": "建议尺寸",
    "aspect": "宽高比",
    "file-size": "文件大小",
    "colour": "色彩空间",
    "transparency": "透明",
    "white": "纯白背景",
    "share": "主体占比",
    "margin": "留边",
    "product-size": "主体尺寸",
    "items": "件数",
    "text": "文字",
    "watermark": "水印",
    "border": "边框",
    "shadow": "阴影",
    "blur": "清晰度",
    "generated": "AI生成",
}


class Said(NamedTuple):
    """The same thing in both languages."""

    en: str
    zh: str

    def text(self, language: Language) -> str:
        """In one of them."""
        return self.zh if language == "zh" else self.en


COPIED = Said("passes as it is, copied", "已合格，原样复制")
"""Of a repair that had nothing to do."""


class Judgement(NamedTuple):
    """What one rule says of a picture: what was measured, what is accepted, and why one can't be sure."""

    status: Status
    measured: Said
    accepted: Said
    why: Said | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement and the rule it comes from."""

    rule: str
    judgement: Judgement
    source: Source

    @property
    def status(self) -> Status:
        """Of the judgement."""
        return self.judgement.status

    def line(self, language: Language = "en") -> str:
        """All of it in one line."""
        measured, accepted = (said.text(language) for said in (self.judgement.measured, self.judgement.accepted))
        why = "" if self.judgement.why is None else self.judgement.why.text(language)
        if language == "zh":
            told = "" if self.source.confidence == "confirmed" else "（据转述）"
            head = f"{STATUS_ZH[self.status]} {NAMES_ZH[self.rule]}：{measured}；要求：{accepted}{told}"
            return f"{head}；{why}" if why else head
        told = "" if self.source.confidence == "confirmed" else " (as reported)"
        head = f"{self.status} {self.rule}: {measured}; accepted: {accepted}{told}"
        return f"{head}; {why}" if why else head

    def as_dict(self, language: Language = "en") -> dict[str, Any]:
        """For JSON."""
        why = self.judgement.why
        return {
            "rule": self.rule,
            "status": self.status,
            "measured": self.judgement.measured.text(language),
            "accepted": self.judgement.accepted.text(language),
            **({} if why is None else {"why": why.text(language)}),
            "source": self.source.title,
            "date": self.source.date,
            "confidence": self.source.confidence,
        }


def share_of(value: float) -> str:
    """A share as per cent, rounded down, so that 100 % is all of it."""
    return f"{int(value * 1000 + 1e-9) / 10:g} %"


def status_of(fits: bool) -> Status:
    """Pass or fail."""
    return "pass" if fits else "fail"
