"""The tests mirror the package. Importing them switches on shape checks wherever signatures give shapes."""

from jaxtyping import install_import_hook

PACKAGES = ["models", "losses", "methods", "metrics", "data", "analysis", "export", "recipes"]
# Of packages with others that cannot be checked: Triton's, those that a user may call with anything, and protocols.
MODULES = {
    "nn": ["attention", "conv", "norm", "spectral"],
    "training": ["samples", "judge", "step", "health", "state"],
    "evaluation": ["content", "evaluate", "features", "folders", "held_out", "measure", "truth"],
}
install_import_hook(
    [
        *(f"nicegan.{name}" for name in [*PACKAGES, "shapes", "sheets", "feature_network"]),
        *(f"nicegan.{package}.{name}" for package, names in MODULES.items() for name in names),
    ],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
