"""The tests mirror the package. Importing them switches on shape checks wherever signatures give shapes."""

from jaxtyping import install_import_hook

CHECKED = ["nn", "models", "losses", "methods", "metrics", "data", "analysis", "shapes", "sheets"]
install_import_hook(
    [f"nicegan.{layer}" for layer in CHECKED],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
