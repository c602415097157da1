"""How the network of each family is asked: one module a kind of network."""

from collections.abc import Mapping

from bridge.diffusion.backbones.backbone import Backbone, Extras, Outset
from bridge.diffusion.backbones.flux import FluxBackbone
from bridge.diffusion.backbones.pixart import PixArtBackbone
from bridge.diffusion.backbones.sd3 import SD3Backbone
from bridge.diffusion.backbones.unet import UNetBackbone
from bridge.models import Family

_UNET = UNetBackbone()

_TRANSFORMERS: Mapping[Family, Backbone] = {
    Family.SD3: SD3Backbone(),
    Family.FLUX: FluxBackbone(),
    Family.PIXART_ALPHA: PixArtBackbone(),
    Family.PIXART_SIGMA: PixArtBackbone(),
}


def backbone_of(family: Family) -> Backbone:
    """Return how a family's network is asked."""
    return _TRANSFORMERS.get(family, _UNET)


__all__ = ["Backbone", "Extras", "Outset", "backbone_of"]
