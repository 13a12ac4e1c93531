"""The tests mirror the package. Importing them switches on shape checks wherever signatures give shapes."""

from jaxtyping import install_import_hook

PACKAGES = ["nn.attention", "nn.conv", "nn.norm", "nn.spectral", "models", "losses", "methods", "metrics", "data", "analysis", "export", "recipes"]
MODULES = {  # of packages with others that cannot be checked: those that a user may call with anything, and protocols
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
