"""Where static files lie, under names that change with what is in them."""

from django.contrib.staticfiles.storage import HashedFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Our modules import each other by those names as well, so that no browser mixes two versions."""

    _imports = HashedFilesMixin._js_module_import_aggregation_patterns[1]  # type: ignore[attr-defined]  # noqa: SLF001
    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("js/*.js", _imports))
