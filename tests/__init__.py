"""The tests mirror the package. Importing them switches on shape checks wherever signatures give shapes."""

from pathlib import Path

from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src" / "nicegan"
CHECKED = ["nn", "losses", "methods", "metrics", "data", "analysis", "evaluation", "export", "training", "ablation"]
# Triton's own language; pydantic's classes, which check themselves; what a user may call with anything; protocols.
LEFT_OUT = {
    "kernels", "config", "registry", "graphs", "trainer", "logger", "rollback", "checkpoint_manager", "runner",
    "training_data", "stop",
}  # fmt: skip


def checked_modules() -> list[str]:
    """Return the modules whose calls are checked."""
    found = ["nicegan.shapes", "nicegan.sheets", "nicegan.feature_network"]
    for package in CHECKED:
        for path in (SOURCE / package).rglob("*.py"):
            parts = path.relative_to(SOURCE).with_suffix("").parts
            if not LEFT_OUT & set(parts) and parts[-1] != "__init__":
                found.append(".".join(["nicegan", *parts]))
    return found


install_import_hook(checked_modules(), "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
