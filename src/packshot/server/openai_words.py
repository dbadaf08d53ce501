"""What a prompt of OpenAI's `images/edits` asks for, as steps of ours; what we can't do honestly is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from packshot.errors import RequestError

_CUT = re.compile(
    r"(remove|erase|delete|strip)\s+(the\s+|its\s+)?background|transparent\s+background|cut\s?-?out|"
    r"(去除|去掉|移除|删除|去)(掉)?背景|抠图|透明背景",
    re.IGNORECASE,
)
_ERASE = re.compile(
    r"\s*(please\s+|请)?(remove|erase|delete|get\s+rid\s+of|take\s+away|clean\s+up|去掉|去除|擦除|擦掉|删除|移除|消除)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\s*(please\s+|请)?("
    r"(replace|change|swap|turn|set|make)\s+(the\s+|its\s+)?background\s*(with|to|into|by|for)?\s+|"
    r"(put|place|set|show|photograph)\s+(it|this|the\s+\w+)\s+(?=on|in|before|against|at)|"
    r"(把|将)?(背景|底色)\s*(换成|改成|变成|替换为|换为|设为)\s*|(放在|摆在|置于)\s*)",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s*(on|in|before|against|at|in\s+front\s+of)\s+(a|an|the)?\s*", re.IGNORECASE)
_NO_PLACES = ("gradient:", "sweep")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        steps: of an edit; `@mask` stands for the mask.
        cut_by_mask: whether what the mask keeps is the product, so that no network has to look for it.
        varies: whether another seed gives another picture.
    """

    steps: tuple[dict[str, Any], ...]
    cut_by_mask: bool = False
    varies: bool = False


def plan(prompt: str, *, masked: bool, seed: int = 0) -> Plan:
    """Read a prompt.

    Args:
        prompt: Chinese or English.
        masked: whether a mask came with it.
        seed: of what is drawn.

    Raises:
        RequestError: it asks for what would have to be invented, or for nothing that is understood.
    """
    if _CUT.search(prompt):
        return Plan(({"op": "background", "to": "transparent"},), cut_by_mask=masked)
    if _ERASE.match(prompt):
        if not masked:
            raise RequestError("mask", "nothing", "a mask that is transparent where something is to be erased")
        return Plan(({"op": "erase", "mask": "@mask", "seed": seed},), varies=True)
    words = prompt[found.end() :] if (found := _LEAD.match(prompt)) else prompt
    words = words[found.end() :] if (found := _LINK.match(words)) else words
    place = words.strip().rstrip(".。!！")
    if not place:
        raise RequestError("prompt", f"'{prompt[:80]}'", "a place or colour for the background, or what to erase")
    return _placed(place, seed, masked)


def _placed(place: str, seed: int, masked: bool) -> Plan:
    from packshot.editing.background import flat_colour  # OpenCV comes with it

    plain = re.sub(r"\s*(background|背景|底色)\s*$", "", place, flags=re.IGNORECASE)
    plain = re.sub(r"^(a|an|the|plain|solid|pure)\s+", "", plain, flags=re.IGNORECASE)
    if flat_colour(plain) is not None or plain.lower().startswith(_NO_PLACES):
        return Plan(({"op": "background", "to": plain},), cut_by_mask=masked)
    from packshot.editing.scene_words import understood

    understood(place, "prompt")  # what it does not know is refused here, with what it does
    steps = ({"op": "background", "to": place, "seed": seed}, {"op": "shadow", "kind": "contact+drop"})
    return Plan(steps, cut_by_mask=masked, varies=True)
