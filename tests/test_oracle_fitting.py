"""Images of one size and colour before a victim of another."""

import pytest
import torch

from leakboard.api import Unsupported
from leakboard.oracle.fitting import Fitting


def images(*shape):
    return torch.rand((3, *shape), generator=torch.Generator().manual_seed(0))


def test_padding_is_undone_exactly():
    fitting = Fitting((1, 28, 27), (1, 32, 32), "pad")
    fitting.check()
    fitted = fitting.to_victim(images(1, 28, 27))
    assert fitted.shape == (3, 1, 32, 32)
    assert float(fitted[:, :, :2].abs().sum() + fitted[:, :, -2:].abs().sum() + fitted[..., :2].abs().sum()) == 0
    assert torch.equal(fitted[:, :, 2:30, 2:29], images(1, 28, 27))
    assert torch.equal(fitting.from_victim(fitted), images(1, 28, 27))


def test_resizing_there_and_back_keeps_size_range_and_smooth_pictures():
    fitting = Fitting((3, 16, 16), (3, 64, 48), "resize")
    fitting.check()
    smooth = torch.nn.functional.interpolate(images(3, 4, 4), (16, 16), mode="bicubic").clamp(0, 1)
    fitted = fitting.to_victim(smooth)
    assert fitted.shape == (3, 3, 64, 48)
    assert 0 <= fitted.min() <= fitted.max() <= 1
    torch.testing.assert_close(fitting.from_victim(fitted), smooth, rtol=0, atol=0.05)


def test_grey_is_shown_to_a_colour_victim_as_grey():
    fitting = Fitting((1, 8, 8), (3, 8, 8))
    fitting.check()
    fitted = fitting.to_victim(images(1, 8, 8))
    assert fitted.shape == (3, 3, 8, 8)
    assert torch.equal(fitted[:, 0], fitted[:, 2])
    torch.testing.assert_close(fitting.from_victim(fitted), images(1, 8, 8))
    assert fitting.note == "8x8 grey images repeated to 8x8 RGB for the victim, and its answers back"


@pytest.mark.parametrize(
    "fitting", [Fitting(), Fitting((1, 8, 8), None, "resize"), Fitting((1, 8, 8), (1, 8, 8), "pad")]
)
def test_nothing_is_done_where_nothing_is_needed(fitting):
    fitting.check()
    given = images(1, 8, 8)
    assert fitting.to_victim(given) is given
    assert fitting.from_victim(given) is given
    assert fitting.note == ""


def test_the_rule_is_told_in_words():
    assert Fitting((1, 28, 28), (1, 32, 32), "pad").note == (
        "28x28 grey images padded with black to 32x32 grey for the victim, and its answers back"
    )


@pytest.mark.parametrize(
    ("fitting", "reason"),
    [
        (Fitting((1, 28, 28), (1, 32, 32)), "28x28 grey and it takes 32x32 grey; fit='pad' or 'resize'"),
        (Fitting((1, 40, 28), (1, 32, 32), "pad"), "larger images cannot be padded, use fit='resize'"),
        (Fitting((3, 32, 32), (1, 32, 32), "resize"), "only grey images can be fitted"),
    ],
)
def test_what_cannot_be_fitted_is_unsupported_and_says_what_would_help(fitting, reason):
    with pytest.raises(Unsupported, match=reason.replace("(", r"\(")):
        fitting.check()


def test_answers_in_colour_come_back_grey_as_the_mean_of_their_channels():
    fit = Fitting((1, 4, 4), (3, 4, 4), "exact")
    colour = torch.rand((2, 3, 4, 4), generator=torch.Generator().manual_seed(0))

    assert torch.allclose(fit.from_victim(colour), colour.mean(1, keepdim=True))
