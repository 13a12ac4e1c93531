"""The suite over every method, on NICE-GAN with all that may be added to it."""

import pytest

from nicegan.config import MethodConfig
from nicegan.methods.nicegan.config import NiceGAN, NiceGANLoss, NiceGANNetwork, NiceGANOptimizer
from tests.methods.test_every_method import (  # noqa: F401
    test_a_phase_has_an_optimizer_or_uses_one_that_trains_its_parameters,
    test_a_phase_leaves_gradients_for_its_own_parameters_and_no_other,
    test_a_phase_that_freezes_nothing_is_caught,
    test_a_run_trains_resumes_and_everything_the_product_does_works,
    test_a_saved_model_translates_as_the_method_does,
    test_a_shortage_of_memory_is_said_before_the_first_step,
    test_averaged_weights_are_the_closed_formula,
    test_both_directions_are_one_formula,
    test_its_settings_survive_json_and_stay_themselves,
    test_terms_have_names_and_discriminators_have_logits,
    test_the_loss_of_guessing_is_that_of_logits_of_one_half,
    test_the_phases_together_train_every_parameter,
    test_the_smallest_size_trains_and_a_smaller_one_is_refused,
    test_three_steps_and_three_equal_six,
    test_two_processes_go_on_as_if_never_stopped,
)


@pytest.fixture
def tiny() -> MethodConfig:
    loss = NiceGANLoss(
        augment=("translation", "cutout"), r1=1.0, r1_every=2, lecam=0.1, final_consistency=0.5, contrastive=1.0
    )
    network = NiceGANNetwork(base_channels=4, blocks=1, depth=6, downsample="blurred")
    return NiceGAN(network=network, loss=loss, optimizer=NiceGANOptimizer(discriminator_learning_rate=2e-4))
