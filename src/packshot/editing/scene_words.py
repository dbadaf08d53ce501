"""What a described place asks for: words in Chinese or English -> surface, wall, light and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from packshot.errors import RequestError
from packshot.lexicon import Lexicon, Meaning, Oklab, forms, lexicon
from packshot.lexicon.colours import colour_after, colours_said
from packshot.lexicon.matching import Span, segment
from packshot.lexicon.tokens import normalise

SURFACES: Mapping[str, tuple[str, ...]] = {
    "wood": (
        "wood", "wooden", "oak", "walnut", "plank", "planks", "timber", "木", "木头", "木质", "木板", "实木", "原木",
        "橡木",
    ),
    "marble": ("marble", "大理石", "云石"),
    "linen": (
        "linen", "cloth", "fabric", "canvas", "cotton", "tablecloth", "亚麻", "麻布", "棉麻", "布", "桌布", "布料",
        "帆布",
    ),
    "concrete": ("concrete", "cement", "水泥", "混凝土", "清水混凝土"),
    "slate": ("slate", "stone", "rock", "basalt", "石板", "岩板", "石头", "石", "石材", "板岩"),
    "sand": ("sand", "sandy", "beach", "desert", "沙", "沙子", "沙滩", "沙地", "海滩", "沙漠"),
    "grass": ("grass", "lawn", "meadow", "草地", "草坪", "草", "草丛"),
    "paper": ("paper", "card", "cardboard", "纸", "卡纸", "纸张", "背景纸"),
    "velvet": ("velvet", "plush", "satin", "丝绒", "天鹅绒", "绒布", "绒面"),
    "tiles": ("tile", "tiles", "tiled", "瓷砖", "地砖", "砖面", "方砖"),
    "water": ("water", "pool", "sea", "lake", "水", "水面", "海水", "泳池", "湖面", "大海", "海"),
    "snow": ("snow", "snowy", "雪", "雪地"),
}  # fmt: skip
"""Materials that the product can stand on."""
WALLS: Mapping[str, tuple[str, ...]] = {
    "plain": ("wall", "plaster", "墙", "墙面", "墙壁", "白墙", "背景墙"),
    "brick": ("brick", "bricks", "红砖", "砖墙", "砖"),
    "sky": ("sky", "outdoor", "outdoors", "天空", "天", "蓝天", "户外", "室外"),
    "lights": ("bokeh", "city lights", "night", "光斑", "夜景", "夜", "夜晚", "霓虹"),
}
"""What can be behind the surface."""
LIGHTS: Mapping[str, tuple[str, ...]] = {
    "warm": ("warm", "cosy", "cozy", "golden hour", "暖", "暖色", "暖光", "温暖", "温馨", "暖色调"),
    "cool": ("cool light", "cold", "冷", "冷色", "冷光", "冷色调", "清冷"),
    "evening": ("evening", "sunset", "dusk", "candle", "candlelight", "傍晚", "黄昏", "日落", "夕阳", "晚上"),
    "bright": (
        "bright", "airy", "daylight", "sunny", "明亮", "亮", "阳光", "日光", "白天", "晴天", "早晨", "清晨",
        "morning",
    ),
    "dark": ("dark", "moody", "dim", "low key", "昏暗", "暗", "暗调", "暗色", "黑暗", "低调"),
    "window": ("window", "window light", "窗", "窗户", "窗光", "窗边", "窗台"),
    "leaves": (
        "leaf shadows", "leaf shadow", "leaves", "dappled", "palm shadow", "树影", "叶影", "树叶", "斑驳", "光影",
    ),
}  # fmt: skip
"""How the place is lit."""
SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("from the left", "from left", "left light", "左侧光", "左光", "左侧", "左边"),
    "right": ("from the right", "from right", "right light", "右侧光", "右光", "右侧", "右边"),
    "back": ("backlit", "back light", "from behind", "逆光", "背光"),
}
"""Where the light comes from."""
VIEWS: Mapping[str, tuple[str, ...]] = {
    "top": ("flat lay", "flatlay", "from above", "top view", "top down", "overhead", "俯拍", "俯视", "平铺", "顶视"),
}
_PLAIN_WORDS = (
    "plain", "minimal", "simple", "elegant", "natural", "home", "kitchen", "garden", "table", "tabletop", "desk",
    "counter", "floor", "ground", "board", "top", "shelf", "scene", "room", "light", "lit", "lighting", "indoor",
    "before", "in", "near",
    "behind", "front", "front of", "rustic", "surface", "background", "backdrop", "there", "texture", "textured",
    "under", "on", "against", "blurred", "blurry",
    "简约", "简单", "干净", "自然", "家居", "厨房", "花园", "桌", "桌子", "桌面", "台面", "台", "地板", "地面", "地",
    "板", "面", "场景", "房间", "室内", "灯光", "光", "光线", "前", "后", "前面", "后面", "里", "下", "背景", "质感",
    "纹理",
)  # fmt: skip
"""Understood, and already the case."""
_ROLES = (
    ("surface", SURFACES), ("wall", WALLS), ("light", LIGHTS), ("side", SIDES), ("view", VIEWS),
    ("place", {"": _PLAIN_WORDS}),
)  # fmt: skip
_KEPT = ("colour", "modifier", "filler", "background", "preposition")


@dataclass(frozen=True, slots=True)
class Place:
    """A place as it was understood.

    Attributes:
        surface: key of `SURFACES`.
        wall: key of `WALLS`, or of `SURFACES` where the wall is made of that.
        lights: keys of `LIGHTS`.
        surface_colour: OKLab; None for the material's own.
        wall_colour: see surface_colour.
        top: seen from straight above: no wall.
        side: key of `SIDES`: from where the light comes.
    """

    surface: str = "paper"
    wall: str = "plain"
    lights: tuple[str, ...] = ()
    surface_colour: Oklab | None = None
    wall_colour: Oklab | None = None
    top: bool = False
    side: str = "left"


def understood(text: str, where: str) -> Place:
    """Read a description.

    Raises:
        RequestError: words that are not understood, or none that says anything; `where` is named.
    """
    spans = segment(normalise(text), _words())
    unknown = [span.text for span in spans if span.kind in ("word", "han") and not span.meanings]
    if unknown or not any(_says(span) for span in spans):
        got = f"{', '.join(repr(word) for word in unknown)} in '{text}'" if unknown else f"'{text}'"
        raise RequestError(where, f"{got}, where scenes are drawn from known words, not by a model", accepted())
    place, colours, start = _nouns(spans)
    loose = _colour(spans[start:])
    if loose is not None:
        colours.setdefault("surface", loose)
    lights = dict.fromkeys(
        key for at, span in enumerate(spans) if (key := span.key("light")) and colour_after(spans, at) is None
    )
    return replace(
        place,
        lights=tuple(lights),
        surface_colour=colours.get("surface"),
        wall_colour=colours.get("wall"),
        top=any(span.key("view") for span in spans),
        side=next((key for span in spans if (key := span.key("side"))), "left"),
    )


def names_place(text: str) -> bool:
    """Whether one word or phrase is a place's, such as 'sand' or 'slate', which are colours too."""
    return forms(normalise(text)) in _scene_terms()


def accepted() -> str:
    """The words known, the first of each kind in both languages, as a phrase."""
    kinds = {**SURFACES, **{k: v for k, v in WALLS.items() if k != "plain"}, **LIGHTS, **SIDES, **VIEWS}
    named = (f"{words[0]} {next(word for word in words if not word.isascii())}" for words in kinds.values())
    return "a colour, white, transparent, gradient:…, sweep, a picture's path, or words of " + ", ".join(named)


def _nouns(spans: list[Span]) -> tuple[Place, dict[str, Oklab], int]:
    """Surface and wall with the colours said before each, and where the last of them ends."""
    found: dict[str, str] = {}
    colours: dict[str, Oklab] = {}
    start = 0
    for at, span in enumerate(spans):
        role = "surface" if span.key("surface") is not None else "wall" if span.key("wall") is not None else None
        if role is None:
            continue
        following = spans[at + 1] if at + 1 < len(spans) else None
        if role == "surface" and following is not None and following.key("wall") == "plain":
            role = "wall"  # 'concrete wall'
            key = span.key("surface") or ""
        else:
            key = span.key(role) or ""
        if role in found and not (role == "wall" and key != "plain" and found[role] == "plain"):
            role = "" if role == "wall" or found["surface"] == key or "wall" in found else "wall"
        if role:
            found[role] = key
            said = _colour(spans[start:at])
            if said is not None:
                colours[role] = said
        start = at + 1
    place = Place(found.get("surface", "paper"), found.get("wall", _usual_wall(found.get("surface"))))
    return place, colours, start


def _usual_wall(surface: str | None) -> str:
    return "sky" if surface in ("sand", "grass", "water", "snow") else "plain"


def _says(span: Span) -> bool:
    telling = ("surface", "wall", "light", "side", "view", "colour")
    return any(m.role in telling for m in span.meanings) or span.kind == "hex"


def _colour(spans: list[Span]) -> Oklab | None:
    """The first colour said; words of the place between do not matter."""
    found, _ = colours_said([span for span in spans if span.key("place") is None], [], _words())
    return found[0].oklab if found else None


@cache
def _scene_terms() -> dict[tuple[str, ...], tuple[Meaning, ...]]:
    terms: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for role, table in _ROLES:
        for key, words in table.items():
            for word in words:
                terms[forms(word)] = (Meaning(role, key),)
    return terms


@cache
def _words() -> Lexicon:
    """The lexicon's colours and small words with the words of scenes in place of its products."""
    words = lexicon()
    kept = {term: left for term, all_ in words.terms.items() if (left := tuple(m for m in all_ if m.role in _KEPT))}
    for term, meanings in _scene_terms().items():
        modifiers = tuple(m for m in kept.get(term, ()) if m.role == "modifier")
        kept[term] = (*meanings, *modifiers)  # 'dark blue' is a colour, 'dark' a light
    return replace(words, terms=kept, longest=max(map(len, kept)))
