"""lungmask's network at any width, and a narrow one put into the width that lungmask itself builds."""

from __future__ import annotations

from typing import Any

from fdglung.lungs.weights import PUBLISHED_WIDTH

_DEPTH = 5


def build(width: int, classes: int) -> Any:
    """Build lungmask's network, for evaluation.

    Parameters
    ----------
    width
        Channels of the first layer, a power of two; lungmask's own has 64.
    classes
        Outputs, background included.

    Returns
    -------
    torch.nn.Module
        From (slice, 1, y, x), y and x multiples of 16, to logarithms of probabilities (slice, class, y, x).

    Raises
    ------
    ValueError
        If `width` is no power of two.

    """
    from lungmask.resunet import UNet

    exponent = width.bit_length() - 1
    if width != 1 << exponent:
        raise ValueError(f"the width {width} is no power of two")
    return UNet(
        n_classes=classes,
        depth=_DEPTH,
        wf=exponent,
        padding=True,
        batch_norm=True,
        up_mode="upsample",
        residual=False,
    ).eval()


def expanded(state: dict[str, Any], width: int = PUBLISHED_WIDTH) -> dict[str, Any]:
    """Put a narrow network into a wider one of the same output, such as the only width that lungmask loads.

    The channels that are added have weights and biases of zero, so that they are zero in every layer, and a running
    variance of one. Where the way up joins two layers, each of the two halves is padded by itself.

    Parameters
    ----------
    state
        State dict of lungmask's network, of any width; its tensors are not changed.
    width
        Channels of the first layer of the result.

    Returns
    -------
    dict
        State dict in float32, in the order of `state`, whose network has the same output but for rounding.

    Raises
    ------
    ValueError
        If the network is wider than `width`.

    """
    import torch

    narrow_width, classes = len(state["down_path.0.block.0.weight"]), len(state["last.bias"])
    if narrow_width > width:
        raise ValueError(f"a network of width {narrow_width} does not go into one of {width}")
    wide = {}
    for name, target in build(width, classes).state_dict().items():
        values = state[name]
        if name.endswith("num_batches_tracked"):
            wide[name] = values.clone()
            continue
        padded = torch.full_like(target, 1.0 if name.endswith("running_var") else 0.0)
        for source, place in _halves(name, values.shape, padded.shape):
            padded[place] = values[source].to(padded.dtype)
        wide[name] = padded
    return {name: wide[name] for name in state}


def _halves(name: str, narrow: tuple[int, ...], wide: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Return what of a narrow tensor goes where in a wide one: in one piece, or in two along the input channels."""
    outputs = slice(0, narrow[0])
    if len(narrow) < 2:
        return [(outputs, outputs)]
    joins = name.startswith("up_path") and (".conv_block.block.0." in name or ".residual_input_conv." in name)
    if not joins:
        piece = (outputs, slice(0, narrow[1]))
        return [(piece, piece)]
    half, wide_half = narrow[1] // 2, wide[1] // 2
    return [
        ((outputs, slice(half * i, half * (i + 1))), (outputs, slice(wide_half * i, wide_half * i + half)))
        for i in range(2)
    ]
