from __future__ import annotations

import numpy as np
import pytest
import torch
from scripts.augment import NONE
from scripts.clicks import ClickLoader, Session, images_of, load_weights, with_clicks
from scripts.model import network
from scripts.patches import Sampling

from fdglung.errors import CheckpointError
from fdglung.network.checkpoint import load_network, read_checkpoint, write_torch
from tests.bundle.bundles import refused, train
from tests.network.networks import NORMALISATION, small_spec

CLICKED = small_spec(
    channels=["PET", "CT", "foreground", "background"],
    normalisation={name: [list(p) for p in points] for name, points in with_clicks(NORMALISATION).items()},
)


class Cases:
    def __init__(self):
        z, y, x = np.indices((32, 32, 32))
        label = ((z - 16) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 < 36).astype(np.uint8)
        places = np.argwhere(label)
        self.case = {
            "raw": np.stack([label * 5.0, label * 0.0]).astype(np.float32),
            "label": label,
            "lesions": np.column_stack([places, np.ones(len(places))]).astype(np.int32),
            "hot": np.zeros((0, 3), np.int32),
            "body": np.argwhere(label >= 0).astype(np.int32),
        }

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.case


def loader(**options):
    settings = {"patch_size": (32, 32, 32), "batch_size": 2, "steps": 4, "seed": 3, "first_inside": 1.0} | options
    return ClickLoader(Cases(), CLICKED, sampling=Sampling(1, 0, 0), augmentation=NONE, **settings)


def logits_of(found):
    return torch.stack([-found.float(), found.float()], dim=1)


def test_a_widened_network_answers_as_the_one_without_clicks_whatever_is_clicked(tmp_path):
    plain = network(images_of(CLICKED), seed=1)
    write_torch(tmp_path / "plain.pt", images_of(CLICKED), plain.state_dict())
    wide = load_weights(network(CLICKED, seed=2), CLICKED, str(tmp_path / "plain.pt")).eval()
    image = torch.randn(1, 4, 32, 32, 32)
    with torch.no_grad():
        assert torch.allclose(wide(image), plain.eval()(image[:, :2]), atol=1e-5)
    write_torch(tmp_path / "wide.pt", CLICKED, wide.state_dict())
    again = load_weights(network(CLICKED, seed=3), CLICKED, str(tmp_path / "wide.pt"))
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), wide.state_dict().values(), strict=True))


def test_a_checkpoint_that_differs_in_more_than_clicks_is_refused(tmp_path):
    other = small_spec(features=[4, 8, 8])
    write_torch(tmp_path / "other.pt", other, network(other).state_dict())
    with pytest.raises(CheckpointError, match="features"):
        load_weights(network(CLICKED), CLICKED, str(tmp_path / "other.pt"))


def test_the_first_click_lies_inside_and_the_next_where_the_network_was_most_wrong():
    drawn = loader(most_clicks=9)
    first = drawn.batch(1, 0)
    lesion = first["label"][:, 0] == 1
    for patch in range(2):
        foreground, background = first["image"][patch, 2:]
        assert lesion[patch].flatten()[foreground.argmax()]
        assert not background.any()
    # Everything is called lesion: what is too much is far larger than the lesion, and is clicked.
    for session in drawn.sessions:
        session.left = 5
    drawn.answered(logits_of(torch.ones_like(first["label"][:, 0])))
    second = drawn.batch(1, 1)
    for patch in range(2):
        background = second["image"][patch, 3]
        assert background.max() == 1
        assert not lesion[patch].flatten()[background.argmax()]
    assert torch.equal(second["image"][:, :2], first["image"][:, :2])


def test_a_patch_goes_after_its_clicks_and_an_epoch_begins_anew():
    drawn = loader(most_clicks=0)
    first = drawn.batch(1, 0)["image"]
    drawn.answered(logits_of(torch.zeros(2, 32, 32, 32)))
    assert not torch.equal(drawn.batch(1, 1)["image"][:, :2], first[:, :2])
    again = loader(most_clicks=0)
    again.set_epoch(1)
    assert torch.equal(again.batch(1, 0)["image"], first)


def test_where_either_answer_is_right_nothing_is_clicked():
    label = torch.full((16, 16, 16), 255)
    session = Session(torch.zeros(2, 16, 16, 16), label, 3)
    session.click(np.ones((16, 16, 16), bool), None)
    assert session.clicks == ([], [])


def test_a_tiny_network_is_trained_with_clicks_from_one_without_and_validated(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path / "plain", max_epochs=1)
    plain = str(tmp_path / "plain" / "checkpoints" / "model.pt")
    run = train(
        "clicks", dataset=dataset, out=tmp_path, pretrained=plain, max_epochs=2, steps_per_epoch=6, val_clicks=2
    )
    trained = read_checkpoint(tmp_path / "checkpoints" / "model.pt")
    assert trained.spec.channels == ("PET", "CT", "foreground", "background")
    assert run.parser.get_parsed_content("state").best >= 0
    first = next(value for name, value in load_network(trained).state_dict().items() if name.endswith("weight"))
    # The new channels started at zero and were trained.
    assert first[:, 2:].abs().max() > 0
    with refused(CheckpointError, "channels"):
        train(
            dataset=dataset, out=tmp_path / "other", pretrained=str(tmp_path / "checkpoints" / "model.pt"), max_epochs=1
        )
