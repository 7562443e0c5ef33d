"""Where static files lie, under names that change with what is in them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Modules import each other by those names as well, so that no browser mixes two versions."""

    support_js_module_import_aggregation = True
