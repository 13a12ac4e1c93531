"""What the best and the last checkpoint of a run make of test and training images, each translated once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from nicegan.analysis.images import DomainImages, chosen_images, training_images
from nicegan.config import levels_of
from nicegan.data.places import Dataset, find_dataset
from nicegan.data.training_data import NUM_SCORED
from nicegan.device import Machine
from nicegan.methods.base import TranslationModel
from nicegan.model_file import load_model
from nicegan.report.distances import Distance, distance_of
from nicegan.run_config import RunConfig
from nicegan.shapes import OTHER, DomainName, Image
from nicegan.training.samples import translated


class Translated(NamedTuple):
    """Real images by domain; and for each model, by the domain that they are translated to, its fakes."""

    real: dict[DomainName, Image]
    fakes: dict[str, dict[DomainName, Image]]


class Translations:
    """Translations of a run's images by some of its checkpoints, made when they are first asked for.

    All properties raise DataError if the images are gone or cannot be read.

    Args:
        config: of the run.
        models: model files by name.
        machine: where to translate.
    """

    def __init__(self, config: RunConfig, models: dict[str, Path], machine: Machine) -> None:
        self.config, self.models, self.machine = config, models, machine

    @cached_property
    def dataset(self) -> Dataset:
        """The run's images."""
        return find_dataset(self.config.data, self.config.domain_a, self.config.domain_b)

    @property
    def has_test_images(self) -> bool:
        """Whether both domains have images that were not trained on."""
        return self.dataset.test_a is not None and self.dataset.test_b is not None

    @cached_property
    def of_test(self) -> Translated:
        """Test images; training images of a domain that has no others."""
        return self._translated(chosen_images(self.dataset, self.config.size, NUM_SCORED, self._levels))

    @cached_property
    def of_training(self) -> Translated:
        """Training images."""
        return self._translated(training_images(self.dataset, self.config.size, NUM_SCORED, self._levels))

    @cached_property
    def distances(self) -> dict[str, list[Distance]]:
        """The distance of each model's translations of test images, to B and to A."""
        real, fakes = self.of_test
        return {
            name: [distance_of(of_model[target], real[target]) for target in OTHER.values()]
            for name, of_model in fakes.items()
        }

    @cached_property
    def untranslated(self) -> list[Distance]:
        """The distance of test images as they are from those of B, and of A."""
        real = self.of_test.real
        return [distance_of(real[OTHER[target]], real[target]) for target in OTHER.values()]

    @cached_property
    def networks(self) -> dict[str, TranslationModel]:
        """The networks of each model."""
        device: torch.device = self.machine.device
        return {name: load_model(path).networks.to(device) for name, path in self.models.items()}

    @property
    def _levels(self) -> tuple[int, int]:
        return levels_of(self.config.value_range)

    def _translated(self, found: dict[DomainName, DomainImages]) -> Translated:
        real: dict[DomainName, Image] = {domain: some.images for domain, some in found.items()}
        fakes: dict[str, dict[DomainName, Image]] = {
            name: {
                target: translated(networks, target, real[OTHER[target]], self.machine.device)
                for target in OTHER.values()
            }
            for name, networks in self.networks.items()
        }
        return Translated(real, fakes)
