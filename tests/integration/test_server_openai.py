"""OpenAI's own client library against our server: pictures, edits, errors, retries."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("openai")

import openai
from listing_pictures import jpeg, product, saved
from PIL import Image
from servers import RunningServer

SIDE = 256


@pytest.fixture(scope="module")
def client(api: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0, timeout=60) as made:
        yield made


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def named(data: bytes, name: str) -> io.BytesIO:
    stream = io.BytesIO(data)
    stream.name = name
    return stream


def mask(*box: int, keep: bool = False) -> io.BytesIO:
    """Transparent within the box; with `keep`, everywhere else."""
    alpha = Image.new("L", (SIDE, SIDE), 0 if keep else 255)
    alpha.paste(255 if keep else 0, box)
    picture = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 255))
    picture.putalpha(alpha)
    return named(saved(picture, "PNG"), "mask.png")


def test_pictures_as_base64(client: Any) -> None:
    answer = client.images.generate(
        model="packshot", prompt="红色运动鞋", n=2, size="128x128", response_format="b64_json", user="shop"
    )
    assert [opened(row.b64_json).size for row in answer.data] == [(128, 128)] * 2
    assert all(row.url is None for row in answer.data) and answer.created > 1_700_000_000
    again = [client.images.generate(prompt="red shoe", extra_body={"seed": 5}).data[0].b64_json for _ in range(2)]
    assert again[0] == again[1]


def test_pictures_by_url_in_other_formats(client: Any, api: RunningServer) -> None:
    answer = client.images.generate(
        model="base", prompt="red shoe", size="64x64", response_format="url", output_format="webp",
        background="transparent", quality="hd", style="vivid",
    )  # fmt: skip
    (row,) = answer.data
    assert row.b64_json is None and row.url.startswith(api.url)
    picture = Image.open(io.BytesIO(api.http.get(row.url).content))
    assert (picture.format, picture.mode, picture.size) == ("WEBP", "RGBA", (64, 64))
    both = client.images.generate(prompt="red shoe", size="64x64").data[0]
    assert both.url and both.b64_json


def test_models(client: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "packshot" and "base" in names and "cutout" not in names
    assert client.models.retrieve("base").id == "base"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("dall-e-3")


def test_another_background_by_words(client: Any) -> None:
    answer = client.images.edit(
        model="packshot", image=named(jpeg(product(SIDE, 0.7)), "bag.jpg"), response_format="b64_json",
        prompt="Replace the background with navy",
    )  # fmt: skip
    corner = np.asarray(opened(answer.data[0].b64_json).convert("RGB"))[2, 2].astype(int)
    assert corner[2] > corner[0] + 15 and opened(answer.data[0].b64_json).size == (SIDE, SIDE)


def test_a_mask_says_what_the_product_is(client: Any) -> None:
    noise = Image.effect_noise((SIDE, SIDE), 90).convert("RGB")
    answer = client.images.edit(
        image=named(saved(noise, "PNG"), "noise.png"), mask=mask(60, 60, 200, 200, keep=True),
        prompt="on a walnut table before a sage wall", n=2, response_format="b64_json",
    )  # fmt: skip
    made = [np.asarray(opened(row.b64_json).convert("RGB")) for row in answer.data]
    before = np.asarray(noise)
    assert all((picture[70:190, 70:190] == before[70:190, 70:190]).all() for picture in made)
    assert (made[0] != made[1]).any() and (made[0][:40] != before[:40]).any()


def test_what_the_mask_covers_is_erased(client: Any) -> None:
    picture = Image.new("RGB", (SIDE, SIDE), (200, 210, 220))
    picture.paste((10, 10, 10), (100, 100, 130, 130))
    answer = client.images.edit(
        image=[named(saved(picture, "PNG"), "spot.png")], mask=mask(95, 95, 135, 135), prompt="remove the spot",
        response_format="b64_json",
    )  # fmt: skip
    cleaned = np.asarray(opened(answer.data[0].b64_json).convert("RGB"))
    assert np.abs(cleaned[100:130, 100:130].astype(int) - (200, 210, 220)).max() < 12
    assert (cleaned[:90] == np.asarray(picture)[:90]).all()


def test_a_background_is_taken_away(client: Any) -> None:
    answer = client.images.edit(
        image=named(saved(product(SIDE, 0.7), "PNG"), "bag.png"), mask=mask(60, 90, 196, 220, keep=True), prompt="抠图",
        response_format="b64_json", size="512x512",
    )  # fmt: skip
    cut = np.asarray(opened(answer.data[0].b64_json))
    assert cut.shape == (512, 512, 4) and cut[3, 3, 3] == 0 and cut[256, 256, 3] == 255


@pytest.mark.parametrize(("wish", "error", "param", "said"), [
    ({"model": "dall-e-3"}, "NotFoundError", "model", "packshot"),
    ({"size": "256x512"}, "BadRequestError", "size", "square"),
    ({"n": 99}, "BadRequestError", "count", "1 to 16"),
    ({"prompt": "qwertz"}, "BadRequestError", None, ""),
    ({"extra_body": {"temperature": 1}}, "BadRequestError", "temperature", "Extra inputs"),
    ({"extra_body": {"stream": True}}, "BadRequestError", "stream", ""),
])  # fmt: skip
def test_errors_have_openais_form(client: Any, wish: dict[str, Any], error: str, param: str | None, said: str) -> None:
    if wish.get("prompt") == "qwertz":
        wish = {"prompt": " "}  # the fake back-end understands everything but nothing
    with pytest.raises(getattr(openai, error)) as refused:
        client.images.generate(**{"prompt": "red shoe", **wish})
    body = refused.value.body
    assert set(body) == {"message", "type", "param", "code"} and body["type"] == "invalid_request_error"
    assert said in body["message"] and (param is None or body["param"] == param), body


@pytest.mark.parametrize(("prompt", "more", "param", "said"), [
    ("remove the tag", {}, "mask", "transparent where"),
    ("a photo of a unicorn wearing it", {}, "prompt", ""),
    ("white background", {"n": 2}, "n", "the same picture"),
    ("remove the tag", {"mask": "opaque"}, "mask", "transparent nowhere"),
    ("remove the tag", {"mask": "other"}, "mask", "256×256"),
    ("white background", {"size": "big"}, "size", "WIDTHxHEIGHT"),
])  # fmt: skip
def test_edits_that_would_be_invented_are_refused(
    client: Any, prompt: str, more: dict[str, Any], param: str, said: str
) -> None:
    masks = {"opaque": mask(0, 0, 0, 0), "other": named(saved(Image.new("RGBA", (64, 64)), "PNG"), "m.png")}
    more = {key: masks[value] if key == "mask" else value for key, value in more.items()}
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(image=named(jpeg(product(SIDE, 0.7)), "bag.jpg"), prompt=prompt, **more)
    assert refused.value.body["param"] == param and said in refused.value.body["message"], refused.value.body


def test_what_is_no_picture_is_refused(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(image=named(b"<svg/>", "bag.png"), prompt="white background")
    assert "bag.png" in refused.value.body["message"]


def test_a_busy_server_is_tried_again(client: Any, api: RunningServer) -> None:
    wish = {"prompt": "red shoe", "count": 16, "size": 384}
    with api.halted():
        jobs = []
        while (answer := api.http.post("/v1/generations", json=wish)).status_code != 429:
            assert answer.status_code == 202 and len(jobs) < 200, answer.text
            jobs.append(answer.json()["id"])
        with pytest.raises(openai.RateLimitError) as busy:
            client.images.generate(prompt="red shoe", size="64x64")
        for job in jobs:
            api.http.post(f"/v1/jobs/{job}/cancel")
    assert busy.value.body["type"] == "rate_limit_error" and int(busy.value.response.headers["retry-after"]) >= 1
    assert client.images.generate(prompt="red shoe", size="64x64").data[0].url


def test_a_client_that_waits_gets_through(client: Any, api: RunningServer) -> None:
    wish = {"prompt": "red shoe", "count": 16, "size": 384}
    with ThreadPoolExecutor(1) as pool:
        with api.halted():
            while (answer := api.http.post("/v1/generations", json=wish)).status_code != 429:
                assert answer.status_code == 202, answer.text
            patient = client.with_options(max_retries=20)
            drawn = pool.submit(patient.images.generate, prompt="red shoe", size="64x64")
            time.sleep(0.5)
            assert not drawn.done()
        assert drawn.result(timeout=60).data[0].url
