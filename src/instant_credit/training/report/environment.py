"""How pages are written out of their templates: escaped, nothing left undefined, figures said in one way."""

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

_OWN = "instant_credit.training.report"


def make_environment(*packages: str) -> Environment:
    """Templates of this package's folder ``templates``, and before them of those of `packages`."""

    def read(name: str) -> str | None:
        paths = [files(package) / "templates" / name for package in (*packages, _OWN)]
        return next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), None)

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(read)
    )
    environment.filters.update(percent=_percent_text, whole=_whole_text)
    return environment


def _percent_text(share: float, decimals: int = 1) -> str:
    return f"{share * 100:.{decimals}f}%"


def _whole_text(count: int) -> str:
    return f"{count:,}"
