"""The methods there are: one line for each."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from nicegan.config import MethodConfig
from nicegan.methods.cut.config import CUT
from nicegan.methods.cyclegan.config import CycleGAN
from nicegan.methods.drit.config import DRIT
from nicegan.methods.munit.config import MUNIT
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.methods.ugatit.config import UGATIT
from nicegan.methods.unit.config import UNIT

AnyMethod = Annotated[NiceGAN | CycleGAN | CUT | UGATIT | UNIT | MUNIT | DRIT, Field(discriminator="name")]

METHODS: dict[str, type[MethodConfig]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(AnyMethod)[0])
}

DEFAULT_METHOD = NiceGAN()  # of a run that names none, as those of version 0.1.0
