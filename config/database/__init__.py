"""The database engine of ``settings.DATABASES``: Django's own for Postgres, with a health check that costs no round trip."""
