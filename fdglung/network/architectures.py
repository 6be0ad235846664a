"""A network of a description, in torch. Importing MONAI takes half a minute cold, so it comes with the call."""

from __future__ import annotations

from typing import Any

from fdglung.errors import BackendError, ParameterError
from fdglung.network.spec import NetworkSpec


def build(spec: NetworkSpec, *, deep_supervision: int = 0) -> Any:
    """Build a network with random weights.

    Parameters
    ----------
    spec
        What to build.
    deep_supervision
        Number of coarser outputs that training sees besides the full one; the UNet has none.

    Returns
    -------
    torch.nn.Module
        From (batch, channel, z, y, x) to logits (batch, output, z, y, x) when evaluating; when training with deep
        supervision to what `bundle/scripts/losses.py` takes.

    Raises
    ------
    BackendError
        torch or MONAI is not installed.
    ParameterError
        Deep supervision of a network that has none.

    """
    try:
        from monai.networks import nets
    except ImportError as error:
        raise BackendError(
            "MONAI and torch are needed to build a network",
            attribute="backend",
            remedy="Install fdglung[network], or give a checkpoint that ends in .onnx",
        ) from error
    counts = {"spatial_dims": 3, "in_channels": len(spec.channels), "out_channels": len(spec.outputs)}
    levels = len(spec.features)
    if spec.architecture == "segresnet_ds":
        return nets.SegResNetDS(
            **{**counts, "spatial_dims": 3},
            init_filters=spec.features[0],
            blocks_down=tuple(min(4, 1 + level) for level in range(levels)),
            norm="INSTANCE",
            dsdepth=1 + deep_supervision,
        )
    if spec.architecture == "dynunet":
        return nets.DynUNet(
            **counts,
            kernel_size=[3] * levels,
            strides=[1] + [2] * (levels - 1),
            upsample_kernel_size=[2] * (levels - 1),
            filters=list(spec.features),
            norm_name=("INSTANCE", {"affine": True}),
            res_block=True,
            deep_supervision=deep_supervision > 0,
            deep_supr_num=max(1, deep_supervision),
        )
    if deep_supervision:
        raise ParameterError(
            "the UNet has no coarser outputs to supervise",
            attribute="deep_supervision",
            remedy="Set architecture to segresnet_ds or dynunet, or deep_supervision to 0",
        )
    return nets.UNet(
        **counts,
        channels=spec.features,
        strides=(2,) * (levels - 1),
        num_res_units=spec.residual_units,
        norm=("INSTANCE", {"affine": True}),
    )
