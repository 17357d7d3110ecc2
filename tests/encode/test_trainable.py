"""Encoders that can be trained: gradients reach the first layer, and the encoder itself stays as it is."""

import numpy as np
import pytest

import _tiny
from chiasm import registry
from chiasm.data.toy import shape_image
from chiasm.errors import ChiasmError

torch = pytest.importorskip("torch")

PICTURES = [np.asarray(shape_image(color, "circle", seed=i)) for i, color in enumerate(("red", "blue"))]
ITEMS = {"effnet_image": PICTURES, "hf_image": PICTURES, "hf_text": ["a red circle", "一只蓝色的圆"]}


@pytest.mark.parametrize("name", ITEMS)
def test_a_step_of_training_changes_the_module_and_not_the_encoder(name):
    encoder = registry.get("encode", name)(**_tiny.params(name))
    before = encoder.encode(ITEMS[name])
    module, prepared = encoder.module(), encoder.prepare(ITEMS[name])
    given = torch.from_numpy(prepared) if isinstance(prepared, np.ndarray) else prepared
    module(given).square().sum().backward()
    slopes = [one.grad for one in module.parameters() if one.grad is not None]
    assert float(slopes[0].abs().sum()) > 0
    with torch.no_grad():
        for one in module.parameters():
            if one.grad is not None:
                one -= 0.1 * one.grad / one.grad.norm().clamp(1e-6)
        assert np.abs(module(given).numpy() - before).max() > 1e-4
    np.testing.assert_array_equal(encoder.encode(ITEMS[name]), before)


def test_what_cannot_be_trained_is_said():
    with pytest.raises(ChiasmError, match="float32"):
        registry.make("encode", "effnet_image:precision=int8").module()
    with pytest.raises(ChiasmError, match="pooled=True"):
        registry.get("encode", "hf_text")(**_tiny.params("hf_text"), pooled=False).module()
    with pytest.raises(ChiasmError, match="cannot encode image"):
        registry.make("encode", "effnet_image").prepare([b"no picture"])


def test_patches_come_of_the_module_too():
    encoder = registry.make("encode", "effnet_image:pooled=False")
    with torch.no_grad():
        found = encoder.module()(torch.from_numpy(encoder.prepare(PICTURES[:1]))).numpy()
    np.testing.assert_allclose(found[0], encoder.tokens(PICTURES[:1])[0], atol=1e-4)


@pytest.mark.parametrize("name", ["effnet_image", "effnet2_image"])
def test_the_last_layers_apart_give_the_encoders_vectors(name):
    if registry.entries("encode")[name].missing:
        pytest.skip("its weights are not installed")
    encoder = registry.make("encode", name)
    last = encoder.last()
    cells = last.below.encode(PICTURES).batch([0, 1])[0]
    hidden, sums = last.run(cells)
    near = np.clip(sums, 0, 6).mean(axis=1)
    np.testing.assert_allclose(near, encoder.encode(PICTURES), atol=2e-3)  # what lies below is in half precision
    places = np.array([3, 40])
    for some, whole in zip(last.run(cells, places), (hidden, sums), strict=True):
        np.testing.assert_allclose(some, whole[:, places], atol=1e-4)
